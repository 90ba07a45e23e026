/** Classes of attention. The rules are those of 3-graph/attention.ts, heads.ts and moa.ts. */
import type { AttentionSpec, LayerSpec, ModelSpec, Projection } from "../ir/model-spec.ts";
import { hasExperts, hasMapBias, hasRouter, keyHeads, overHeads } from "../parameters/parameters.ts";
import { recordType } from "./balance.ts";
import { isSkipping, parameters, returns } from "./block.ts";
import type { Block } from "./block.ts";
import { isCausal, maskOf, mayLackMask, rotaryOf } from "./context.ts";
import { normCall } from "./norm.ts";
import { lines, list, pascal, python } from "./python.ts";
import { isBalanced, routerCall } from "./router.ts";
import type { Routed } from "./router.ts";
import { inOrder, readsOf } from "./streams.ts";
import type { Stream } from "./streams.ts";
import { configName, define, field } from "./writer.ts";
import type { Writer } from "./writer.ts";

type Heads = Extract<AttentionSpec, { kind: "mha" | "switchhead" }>;
type Moa = Extract<AttentionSpec, { kind: "moa" }>;

/** A class while it is written. */
interface Parts {
  readonly doc: string;
  /** Statements of the constructor. */
  readonly init: readonly string[];
  readonly takes: readonly Stream[];
  readonly loads: readonly string[];
  readonly loadTypes: readonly string[];
  readonly isWeighted: boolean;
  /** Statements of the forward pass. */
  readonly body: readonly string[];
}

const NAMES: Readonly<Record<AttentionSpec["kind"], string>> = { mha: "Attention", switchhead: "SwitchHead", moa: "MixtureOfHeads" };

export function attentionBlock(w: Writer, layer: LayerSpec): Block {
  const { attention } = layer;
  const parts = attention.kind === "moa" ? mixture(w, layer, attention) : heads(w, layer, attention);
  const name = define(w, [NAMES[attention.kind], `${NAMES[attention.kind]}${pascal(layer.name)}`], (name) => python`
    class ${name}(nn.Module):
        """${parts.doc}"""

        def __init__(self, config: ${configName(w.model)}) -> None:
            super().__init__()
            ${lines(...parts.init)}

        def forward(self, ${list(parameters(parts), isCausal(w.model) ? "application: int" : "", "context: Context")}) -> ${returns(parts)}:
            ${lines(...parts.body)}
  `);
  return { ...parts, make: `${name}(config)` };
}

/** Ordinary heads, and those of SwitchHead. */
function heads(w: Writer, layer: LayerSpec, spec: Heads): Parts {
  const reads = readsOf(layer, "attention", isSkipping(w.model));
  const size = sizes(w, layer, spec);
  const sides = (["v", "o"] as const).filter((side) => hasRouter(spec, side));
  const routed = spec.kind === "switchhead" ? routedOf(layer, spec) : null;
  const streamOf = (side: "v" | "o"): Stream => reads.byRouter(routed!.router, "v", side === "v");
  const isGated = spec.kind === "mha" && spec.gate === "sigmoid";
  const balanced = routed !== null && isBalanced(routed) ? sides : [];
  const weight = isSkipping(w.model) ? ", weight" : "";
  const project = (p: "q" | "k" | "v"): string => (hasExperts(spec, p)
    ? `${p} = mixture(${reads.by(p)}, self.${p}, route_${p === "q" ? "o" : "v"})`
    : `${p} = self.${p}(${reads.by(p)}).unflatten(-1, (-1, self.d_head))`);
  const isPlainPair = !hasExperts(spec, "q") && !hasExperts(spec, "k") && reads.by("q") === reads.by("k");
  const routeBy = (side: "v" | "o"): string => `self.router_${side}(${streamOf(side)}${weight})`;
  const z = isGated ? "z" : "z.transpose(1, 2)";
  const out = hasExperts(spec, "o") ? `mixture(${z}, self.o, route_o).sum(2)` : `self.o(${z}.flatten(2))`;
  return {
    doc: docOf(spec),
    init: [
      `self.d_head = ${size.dHead}`, ...(["q", "k", "v", "o"] as const).map((p) => `self.${p} = ${projection(spec, p, size)}`),
      ...(isGated ? [`self.gate = nn.Linear(config.d_model, ${size.nHeads}, bias=False)`] : []),
      ...extras(spec, size), ...sides.map((side) => `self.router_${side} = ${routerCall(w, routed!)}`),
    ],
    takes: inOrder([...(["q", "k", "v"] as const).map(reads.by), ...sides.map(streamOf), ...(isGated ? [reads.normed] : [])]),
    loads: balanced.map((side) => `load_${side}`), loadTypes: balanced.map(() => recordType(routed!.router, routed!.balance)),
    isWeighted: sides.length > 0 && weight !== "",
    body: [
      ...(sides.length === 0 ? [] : [`${list(...sides.map((side) => `route_${side}`))} = ${list(...sides.map(routeBy))}`]),
      ...(isPlainPair ? [`q, k = (p(${reads.by("q")}).unflatten(-1, (-1, self.d_head)) for p in (self.q, self.k))`]
        : [project("q"), project("k")]),
      project("v"),
      ...attend(w.model, spec), ...(isGated ? [`z = z.transpose(1, 2) * self.gate(${reads.normed}).sigmoid()[..., None]`] : []),
      `return ${list(out, ...balanced.map((side) => `route_${side}.load`))}`,
    ],
  };
}

/** Experts of queries and outputs; keys and values belong to none. */
function mixture(w: Writer, layer: LayerSpec, spec: Moa): Parts {
  const reads = readsOf(layer, "attention", isSkipping(w.model));
  const size = sizes(w, layer, spec);
  const routed = { ...routedOf(layer, spec), nHeads: 1 };
  const router = reads.byRouter(spec.router, "v");
  const balanced = isBalanced(routed) ? ["load_heads"] : [];
  const width = times(size.nHeads, size.dHead);
  return {
    doc: docOf(spec),
    init: [
      `self.d_head = ${size.dHead}`, `self.top_k = ${size.topK}`,
      `self.q = Experts(${size.experts}, config.d_model, ${width})`,
      ...(["k", "v"] as const).map((p) => `self.${p} = ${projection(spec, p, size)}`),
      `self.o = Experts(${size.experts}, ${width}, config.d_model)`, ...extras(spec, size), `self.router = ${routerCall(w, routed)}`,
    ],
    takes: inOrder([...(["q", "k", "v"] as const).map(reads.by), router]), loads: balanced,
    loadTypes: balanced.map(() => recordType(spec.router, spec.balance)), isWeighted: isSkipping(w.model),
    body: [
      `route = self.router(${router}${isSkipping(w.model) ? ", weight" : ""})`,
      `rows = ${reads.by("q")}.flatten(0, 1)[route.order // self.top_k]`,
      "q = unsorted(self.q(rows, route.ends), route.order)",
      `q = q.view(*${reads.by("q")}.shape[:2], -1, self.d_head)  # [B, T, K·H, Dh]`,
      ...(["k", "v"] as const).map((p) => `${p} = self.${p}(${reads.by(p)}).unflatten(-1, (-1, self.d_head))`), ...attend(w.model, spec),
      "z = z.transpose(1, 2)",
      "rows = z.reshape(len(route.order), -1) * route.gates.flatten()[:, None]  # [B·T·K, H·Dh]",
      "slots = unsorted(self.o(rows[route.order], route.ends), route.order)",
      `return ${list(`slots.view(*z.shape[:2], self.top_k, -1).sum(2)`, ...balanced.map(() => "route.load"))}`,
    ],
  };
}

/** From q, k, v [B, T, H, Dh] to z [B, H, T, Dh]. */
function attend(model: ModelSpec, spec: AttentionSpec): readonly string[] {
  const mask = maskOf(model, spec);
  const rotary = spec.rope === null ? "" : rotaryOf(model, spec.rope);
  const isRepeated = spec.kind === "moa" && spec.topK > 1;
  const table = `self.relative${isRepeated ? ".repeat(self.top_k, 1, 1)" : ""}`;
  const causal = mayLackMask(model, spec) && spec.causal ? `, is_causal=${mask} is None` : "";
  const grouped = "headsPerKey" in spec && spec.headsPerKey > 1 ? ", enable_gqa=True" : "";
  return [
    ...(spec.qkNorm === null ? [] : [`q, k = ${list(...(["q", "k"] as const).map((p) => normed(spec, p)))}`]),
    ...(rotary === "" ? [] : [`q, k = rotate(q, ${rotary}), rotate(k, ${rotary})`]),
    "q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)",
    ...(isCausal(model) ? ["if context.cache is not None:\n    k, v = context.cache.update(k, v, application)"] : []),
    ...(isRepeated ? ["k, v = k.repeat(1, self.top_k, 1, 1), v.repeat(1, self.top_k, 1, 1)"] : []),
    ...(spec.relative === null ? [] : [`bias = relative_bias(q, ${table}, context.distance, ${mask})`]),
    `z = F.scaled_dot_product_attention(q, k, v, attn_mask=${spec.relative === null ? mask : "bias"}${causal}${grouped})`,
  ];
}

/** Over all heads together, or over each. */
const normed = (spec: AttentionSpec, p: "q" | "k"): string =>
  (overHeads(spec) ? `self.${p}_norm(${p}.flatten(2)).view_as(${p})` : `self.${p}_norm(${p})`);

interface Sizes {
  readonly nHeads: string;
  readonly nKeyHeads: string;
  readonly dHead: string;
  readonly experts: string;
  readonly topK: string;
  readonly distances: string;
}

function sizes(w: Writer, layer: LayerSpec, spec: AttentionSpec): Sizes {
  const nHeads = field(w, layer, "n_heads", spec.nHeads);
  const hasExperts = spec.kind !== "mha";
  return {
    nHeads, dHead: field(w, layer, "d_head", spec.dHead),
    nKeyHeads: keyHeads(spec) === spec.nHeads ? nHeads : field(w, layer, "n_kv_heads", keyHeads(spec)),
    experts: hasExperts ? field(w, layer, "head_experts", spec.nExperts) : "",
    topK: hasExperts ? field(w, layer, "head_top_k", spec.topK) : "",
    distances: spec.relative === null ? "" : `2 * ${field(w, layer, "max_distance", spec.relative.reach)} + 1`,
  };
}

const routedOf = (layer: LayerSpec, spec: Exclude<AttentionSpec, { kind: "mha" }>): Routed =>
  ({ layer, prefix: "head_", nHeads: spec.nHeads, nExperts: spec.nExperts, topK: spec.topK, router: spec.router, balance: spec.balance });

const times = (a: string, b: string): string => `${a} * ${b}`;

function projection(spec: AttentionSpec, p: Projection, { nHeads, nKeyHeads, dHead, experts }: Sizes): string {
  const ends = ["config.d_model", dHead];
  if (hasExperts(spec, p)) return `Experts(${list(times(nHeads, experts), ...(p === "o" ? ends.reverse() : ends))})`;
  const width = times(p === "k" || p === "v" ? nKeyHeads : nHeads, dHead);
  return `nn.Linear(${p === "o" ? `${width}, config.d_model` : `config.d_model, ${width}`}${hasMapBias(spec, p) ? "" : ", bias=False"})`;
}

/** What few kinds of heads have. */
const extras = (spec: AttentionSpec, { nHeads, nKeyHeads, dHead, distances }: Sizes): readonly string[] => [
  ...(spec.qkNorm === null ? [] : ([["q", nHeads], ["k", nKeyHeads]] as const).map(([p, heads]) =>
    `self.${p}_norm = ${normCall(spec.qkNorm!, overHeads(spec) ? times(heads, dHead) : dHead)}`)),
  ...(spec.relative === null ? [] : [`self.relative = nn.Parameter(torch.zeros(${nHeads}, ${dHead}, ${distances}))`]),
];

function docOf(spec: AttentionSpec): string {
  switch (spec.kind) {
    case "mha": {
      const heads = spec.headsPerKey > 1 ? "Groups of heads share keys and values" : "Ordinary heads";
      return `${heads}${spec.gate === "sigmoid" ? ", each with a gate" : ""}.`;
    }
    case "switchhead": return `Heads whose ${spec.on.map((p) => WORDS[p]).join(", ")} come from experts (arXiv:2312.07987).`;
    case "moa": return "Experts are heads of queries with an output; all share keys and values (arXiv:2210.05144).";
  }
}

const WORDS: Readonly<Record<Projection, string>> = { q: "queries", k: "keys", v: "values", o: "outputs" };
