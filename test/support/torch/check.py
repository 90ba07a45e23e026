"""
Compares exported models with float64 numbers. check.py FOLDER: each folder in it is an export with a case.safetensors, which holds the
parameters (param.NAME), inputs, and what is to come out; a line of JSON is printed for each, with the greatest deviations.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache


def deviation(got: torch.Tensor, want: torch.Tensor) -> float:
    """The greatest difference over the greatest entry."""
    assert got.numel() == want.numel(), f"{tuple(got.shape)} for {tuple(want.shape)}"
    return ((got.flatten() - want.flatten()).abs().max() / want.abs().max().clamp_min(1e-30)).item()


def main(folder: Path) -> None:
    torch.set_default_dtype(torch.float64)
    for case in sorted(folder.iterdir()):
        try:
            print(json.dumps({"name": case.name, **compare(case)}), flush=True)
        except Exception as error:  # one model's failure says nothing of the others
            print(json.dumps({"name": case.name, "error": f"{type(error).__name__}: {error}"}), flush=True)


def compare(case: Path) -> dict[str, float]:
    data = load_file(case / "case.safetensors")
    config = AutoConfig.from_pretrained(case, trust_remote_code=True)
    model = AutoModelForCausalLM.from_config(config, trust_remote_code=True).double()
    state = {name.removeprefix("param."): value for name, value in data.items() if name.startswith("param.")}
    model.load_state_dict(state)
    tokens, targets = data["tokens"].long(), data["targets"].long()
    worst = train(model, data, tokens, targets)
    model.eval()
    with torch.no_grad(), given_table(data):
        logits = model(tokens).logits
        worst["logits"] = deviation(logits, data["logits"])
        if hasattr(model, "generate"):
            worst["cached"] = cached(model, tokens, logits)
            worst["padded"] = padded(model, tokens, logits)
    return worst


def train(model: torch.nn.Module, data: dict[str, torch.Tensor], tokens: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    model.train()
    with given_numbers(data):
        out = model(tokens, shift_labels=targets)
        out.loss.backward()
    worst = {"loss": deviation(out.loss, data["loss"])}
    gradients = {name: deviation(torch.zeros_like(p) if p.grad is None else p.grad, data[f"grad.{name}"]) for name, p in model.named_parameters()}
    name, worst["gradient"] = max(gradients.items(), key=lambda item: item[1])
    plain = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    model.gradient_checkpointing_enable()
    if not any(name.startswith("random.") for name in data):
        model(tokens, shift_labels=targets).loss.backward()
        worst["checkpointed"] = max(deviation(p.grad, plain[name]) for name, p in model.named_parameters() if p.grad is not None)
    model.gradient_checkpointing_disable()
    return worst | ({} if worst["gradient"] < 1e-9 else {"worst": name})


class given_numbers:
    """Random numbers in training are those of the case, in order."""

    def __init__(self, data: dict[str, torch.Tensor]) -> None:
        names = sorted((name for name in data if name.startswith("random.")), key=lambda name: int(name.split(".")[1]))
        self.numbers = iter([data[name] for name in names])

    def take(self, like: torch.Tensor) -> torch.Tensor:
        return next(self.numbers).view(like.shape)

    def __enter__(self) -> None:
        self.kept = torch.rand_like, torch.randn_like, F.dropout, torch.Tensor.topk
        torch.Tensor.topk = first_of_equals
        torch.rand_like = torch.randn_like = self.take
        F.dropout = lambda x, p, training: torch.where(self.take(x) < p, 0.0, x / (1 - p)) if training else x

    def __exit__(self, *_: object) -> None:
        torch.rand_like, torch.randn_like, F.dropout, torch.Tensor.topk = self.kept


@contextmanager
def given_table(data: dict[str, torch.Tensor]) -> Iterator[None]:
    """Outside training the state before the first pass is that of the case."""
    kept = torch.randn
    torch.randn = lambda *shape, **_: data["noise"].view(-1, *shape)[0]
    yield
    torch.randn = kept


def first_of_equals(x: torch.Tensor, k: int) -> torch.return_types.topk:
    """Where excluded experts fill up, several have the same score: torch leaves open which is greatest."""
    values, indices = torch.sort(x, dim=-1, descending=True, stable=True)
    return torch.return_types.topk((values[..., :k], indices[..., :k]))


def cached(model: torch.nn.Module, tokens: torch.Tensor, want: torch.Tensor) -> float:
    """Seven tokens at once, and one after the other."""
    cache = DynamicCache()
    parts = [model(tokens[:, :7], past_key_values=cache).logits]
    parts += [model(tokens[:, at : at + 1], past_key_values=cache).logits for at in range(7, tokens.shape[1])]
    return deviation(torch.cat(parts, 1), want)


def padded(model: torch.nn.Module, tokens: torch.Tensor, want: torch.Tensor) -> float:
    """Padding on the left, which attention does not see."""
    mask = F.pad(torch.ones_like(tokens), (3, -3))
    return deviation(model(F.pad(tokens, (3, -3)), attention_mask=mask).logits[:, 3:], want[:, :-3])


main(Path(sys.argv[1]))
