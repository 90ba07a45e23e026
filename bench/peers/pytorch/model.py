"""
The models of the benchmark as a PyTorch user writes them: parameters by our names, blocks of the public API.

B sequences, T positions, N = B·T tokens, D channels, H heads of Dh, E experts of F, K of them chosen by each token.
"""
import torch
import torch.nn.functional as F


class Model(torch.nn.Module):
    """spec: a checked model as the compiler prints it; weights: name → tensor."""

    def __init__(self, spec, weights):
        super().__init__()
        self.spec = spec
        self.weights = torch.nn.ParameterDict({name.replace(".", "/"): torch.nn.Parameter(data) for name, data in weights.items()})
        half = spec["layers"][0]["attention"]["rope"]["nRotate"] // 2
        frequency = spec["layers"][0]["attention"]["rope"]["base"] ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = torch.arange(spec["seqLen"], dtype=torch.float64)[:, None] * frequency
        self.register_buffer("cos", angle.cos().float()[:, None])  # [T, 1, half]
        self.register_buffer("sin", angle.sin().float()[:, None])

    def w(self, name):
        return self.weights[name.replace(".", "/")]

    def forward(self, tokens, cache=None, start=0):
        """
        tokens [B, T] → logits [B, T, V] and the balance loss.
        With a cache (keys and values [2, B, H, T, Dh] of each application) the tokens stand at `start` and later.
        """
        x = F.embedding(tokens, self.w("embedding"))
        loads = {}  # router → sum of its distributions over its applications, [B, H or 1, E]
        for application, site in enumerate(self.spec["schedule"]):
            layer = self.spec["layers"][site["layer"]]
            kept = None if cache is None else cache[application]
            x = x + self.attention(layer, x, loads, kept, start)
            x = x + self.feed_forward(layer, x, loads)
        x = self.norm("head.norm", x)
        return F.linear(x, self.w("head"), self.w("head.bias")), self.balance(loads)

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w(f"{name}.weight"), self.w(f"{name}.bias"), 1e-5)

    def attention(self, layer, x, loads, kept, start):
        name, spec = layer["name"] + ".attention", layer["attention"]
        batch, length, _ = x.shape
        normed = self.norm(f"{layer['name']}.norm_attention", x)
        project = lambda role: F.linear(normed, self.w(f"{name}.{role}").flatten(0, 1)).unflatten(2, (spec["nHeads"], -1))
        q, k = self.rope(project("q"), start), self.rope(project("k"), start)
        if spec["kind"] == "switchhead":
            routes = self.route(f"{name}.router_v", normed, spec, loads)
            slots = experts(x.flatten(0, 1), self.w(f"{name}.v"), routes, spec["nHeads"] * spec["topK"])  # [N·H·K, Dh]
            v = (slots * routes.gates).view(batch, length, spec["nHeads"], spec["topK"], -1).sum(3)
        else:
            v = project("v")
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        if kept is not None:
            kept[0, :, :, start:start + length], kept[1, :, :, start:start + length] = k, v
            k, v = kept[:, :, :, :start + length]
        z = F.scaled_dot_product_attention(q, k, v, is_causal=length > 1).transpose(1, 2)  # [B, T, H, Dh]
        if spec["kind"] != "switchhead":
            return F.linear(z.flatten(2), self.w(f"{name}.o").flatten(1))
        routes = self.route(f"{name}.router_o", normed, spec, loads)
        slots = experts(z.flatten(0, 2), self.w(f"{name}.o"), routes, spec["topK"], scale=routes.gates)  # [N·H·K, D]
        return slots.view(batch, length, -1, x.shape[-1]).sum(2)

    def feed_forward(self, layer, x, loads):
        name, spec = layer["name"] + ".feed_forward", layer["feedForward"]
        normed = self.norm(f"{layer['name']}.norm_feed_forward", x)
        if spec["kind"] == "dense":
            hidden = F.relu(F.linear(normed, self.w(f"{name}.up"), self.w(f"{name}.up.bias")))
            return F.linear(hidden, self.w(f"{name}.down"), self.w(f"{name}.down.bias"))
        routes = self.route(f"{name}.router", normed, spec, loads)
        return mixture(x.flatten(0, 1), self.w(f"{name}.up"), self.w(f"{name}.down"), routes, spec["topK"]).view(x.shape)

    def rope(self, x, start):
        """[B, T, H, Dh]: pairs (j, j + half) of the first channels are rotated."""
        half = self.cos.shape[-1]
        cos, sin = (table[start:start + x.shape[1]] for table in (self.cos, self.sin))
        first, second, rest = x.split((half, half, x.shape[-1] - 2 * half), -1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin, rest), -1)

    def route(self, name, normed, spec, loads):
        """Chosen experts, numbered over all heads, and their gates; the distribution is kept for the balance loss."""
        weight = self.w(name)
        heads = weight.shape[0] if weight.dim() == 3 else 1
        logits = F.linear(normed, weight.flatten(0, -2)).unflatten(2, (heads, -1))  # [B, T, H, E]
        if self.training:
            load = logits.softmax(-1).sum(1)
            loads.setdefault(name, []).append((load / logits.shape[1], spec["balance"]["weight"]))
        values, chosen = logits.topk(spec["topK"], dim=-1)
        numbered = chosen + torch.arange(heads)[:, None] * logits.shape[-1]
        return Routes(numbered.flatten(), values.sigmoid().flatten()[:, None], heads * logits.shape[-1])

    def balance(self, loads):
        """Σ weight · mean of Σ P log P; P is the mean distribution of a sequence over all applications of a router."""
        total = torch.zeros(())
        for kept in loads.values():
            p = sum(load for load, _ in kept) / len(kept)
            total = total + kept[0][1] * (p * p.clamp_min(1e-30).log()).sum(-1).mean()
        return total


class Routes:
    """chosen [slots], gates [slots, 1]; what sorts slots by expert is made once for all that is routed alike."""

    def __init__(self, chosen, gates, n_experts):
        self.chosen, self.gates = chosen, gates
        self.few = len(chosen) < n_experts  # then whole matrices are picked, one for each slot
        if not self.few:
            self.order = chosen.argsort(stable=True)
            self.ends = torch.bincount(chosen, minlength=n_experts).cumsum(0).to(torch.int32)


def grouped(rows, weight, ends):
    """rows [S, in] sorted by expert, weight [E, in, out] → [S, out]. On a GPU rows have to be of whole 16 bytes."""
    width = weight.shape[2]
    short = [-n % 4 for n in weight.shape[1:]]
    if any(short):
        rows, weight = F.pad(rows, (0, short[0])), F.pad(weight, (0, short[1], 0, short[0]))
    return F.grouped_mm(rows, weight, offs=ends)[:, :width]


def experts(x, weight, routes, per_row, scale=None):
    """x [rows, in], weight [E, in, out] → [slots, out], slots in their own order; row i has slots i·per_row and so on."""
    if routes.few:
        rows = x.repeat_interleave(per_row, 0)
        return torch.bmm((rows if scale is None else rows * scale)[:, None], weight[routes.chosen])[:, 0]
    rows = x.index_select(0, routes.order // per_row)
    out = grouped(rows if scale is None else rows * scale[routes.order], weight, routes.ends)
    return torch.empty_like(out).index_copy(0, routes.order, out)


def mixture(x, up, down, routes, top_k):
    """σ-MoE: Σ over the chosen experts of gate · relu(x up) down, [N, D]. Slots stay sorted between the two products."""
    if routes.few:
        hidden = F.relu(experts(x, up, routes, top_k)) * routes.gates
        return torch.bmm(hidden[:, None], down[routes.chosen]).view(-1, top_k, x.shape[1]).sum(1)
    token = routes.order // top_k
    hidden = F.relu(grouped(x.index_select(0, token), up, routes.ends)) * routes.gates[routes.order]
    return torch.zeros_like(x).index_add(0, token, grouped(hidden, down, routes.ends))
