"""Runs one workload with PyTorch for `moeut bench --peers`: see ../README.md."""
import json
import struct
import sys
import time

import torch
import torch.nn.functional as F

from model import Model


def read_safetensors(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    dtypes = {"F32": torch.float32, "U32": torch.int32}

    def tensor(info):
        start, end = info["data_offsets"]
        flat = torch.frombuffer(data, dtype=dtypes[info["dtype"]], offset=8 + length + start, count=(end - start) // 4)
        return flat.view(info["shape"]).to(torch.get_default_device(), copy=True)

    return {name: tensor(info) for name, info in header.items() if name != "__metadata__"}


def train_step(model, recipe, tokens, targets):
    o = recipe["optimizer"]
    settings = {"lr": o["lr"], "betas": (o["beta1"], o["beta2"]), "eps": o["eps"], "weight_decay": o["weightDecay"]}
    optimizer = torch.optim.AdamW(model.parameters(), fused=True, **settings)

    def step():
        optimizer.zero_grad(set_to_none=True)
        logits, balance = model(tokens)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        (loss + balance).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["gradClip"])
        optimizer.step()
        return loss.item()

    return step


def forward(model, tokens, targets):
    @torch.inference_mode()
    def score():
        logits, _ = model(tokens)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()

    return score


def generate(model, prompt, count):
    """Greedy. Returns log Σ exp of the logits behind the prompt: a number that all of them decide."""
    spec = model.spec
    attention = spec["layers"][0]["attention"]
    cache = [torch.zeros(2, 1, attention["nHeads"], spec["seqLen"], attention["dHead"]) for _ in spec["schedule"]]

    @torch.inference_mode()
    def run():
        tokens, start, check = prompt, 0, None
        for _ in range(count):
            logits, _ = model(tokens, cache, start)
            start += tokens.shape[1]
            check = logits[0, -1].logsumexp(0).item() if check is None else check
            tokens = logits[:, -1:].argmax(-1)
        tokens.tolist()  # a GPU is done only now
        return check

    return run


def workload(job):
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    if job["gpu"]:
        torch.set_default_device("cuda")
    tensors = read_safetensors(job["tensors"])
    tokens, targets = (tensors.pop(name).long() for name in ("tokens", "targets"))
    model = Model(job["model"], tensors)
    model.train(job["mode"] == "train")
    if job["mode"] == "train":
        return train_step(model, job["recipe"], tokens, targets)
    if job["mode"] == "forward":
        return forward(model, tokens, targets)
    return generate(model, tokens, job["count"])


def say(answer):
    print(json.dumps(answer), flush=True)


def main():
    if not hasattr(F, "grouped_mm"):
        return say({"cannot": f"PyTorch {torch.__version__} has no grouped_mm; 2.10 or newer has"})
    job = json.load(open(sys.argv[1]))
    if job["gpu"] and not torch.cuda.is_available():
        return say({"cannot": f"PyTorch {torch.__version__} does not find the GPU"})
    run = workload(job)
    say({"version": f"PyTorch {torch.__version__}" + (", CUDA" if job["gpu"] else ""), "check": run()})
    for _ in sys.stdin:
        started = time.perf_counter()
        run()
        say({"seconds": time.perf_counter() - started})


main()
