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
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

Case = dict[str, Tensor]


def deviation(got: Tensor, want: Tensor) -> float:
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


def compare(folder: Path) -> dict[str, float]:
    case = load_file(folder / "case.safetensors")
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForCausalLM.from_config(config, trust_remote_code=True).double()
    model.load_state_dict(part(case, "param."))
    tokens, targets = case["tokens"].long(), case["targets"].long()
    worst = train(model, case, tokens, targets) | evaluate(model.eval(), case, tokens)
    return worst | (ten_steps(model.train(), case) if "steps.tokens" in case else {})


def part(case: Case, prefix: str) -> Case:
    return {name.removeprefix(prefix): value for name, value in case.items() if name.startswith(prefix)}


def train(model: nn.Module, case: Case, tokens: Tensor, targets: Tensor) -> dict[str, float]:
    model.train()
    with given_numbers(case):
        out = model(tokens, shift_labels=targets)
        out.loss.backward()
    gradients = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in model.named_parameters()}
    worst = {"loss": deviation(out.loss, case["loss"]), "gradient": greatest(gradients, part(case, "grad."))}
    if "random.0" not in case:
        model.zero_grad()
        model.gradient_checkpointing_enable()
        model(tokens, shift_labels=targets).loss.backward()
        model.gradient_checkpointing_disable()
        again = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        worst["checkpointed"] = greatest(again, gradients)
    return worst


def greatest(got: Case, want: Case) -> float:
    return max(deviation(value, want[name]) for name, value in got.items())


@torch.no_grad()
def evaluate(model: nn.Module, case: Case, tokens: Tensor) -> dict[str, float]:
    with given_table(case):
        logits = model(tokens).logits
        worst = {"logits": deviation(logits, case["logits"])}
        if hasattr(model, "generate"):
            worst |= {"cached": cached(model, tokens, logits), "padded": padded(model, tokens, logits)}
    return worst


def ten_steps(model: nn.Module, case: Case) -> dict[str, float]:
    """AdamW with clipped gradients, as runs do it."""
    model.load_state_dict(part(case, "param."))
    lr, beta1, beta2, eps, weight_decay, clip = case["recipe"].tolist()
    optimizer = torch.optim.AdamW(model.parameters(), lr, (beta1, beta2), eps, weight_decay)
    for tokens, targets in zip(case["steps.tokens"].long(), case["steps.targets"].long()):
        optimizer.zero_grad()
        with given_numbers(case):
            model(tokens, shift_labels=targets).loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return {"steps": greatest({name: p.detach() for name, p in model.named_parameters()}, part(case, "final."))}


class given_numbers:
    """Random numbers in training are those of the case, in order; of equal scores the first is the greatest."""

    def __init__(self, case: Case) -> None:
        numbers = part(case, "random.")
        self.numbers = iter([numbers[str(index)] for index in range(len(numbers))])

    def take(self, like: Tensor) -> Tensor:
        return next(self.numbers).view(like.shape)

    def __enter__(self) -> None:
        self.kept = torch.rand_like, torch.randn_like, F.dropout, Tensor.topk
        torch.rand_like = torch.randn_like = self.take
        F.dropout = lambda x, p, training: torch.where(self.take(x) < p, 0.0, x / (1 - p)) if training else x
        Tensor.topk = first_of_equals

    def __exit__(self, *_: object) -> None:
        torch.rand_like, torch.randn_like, F.dropout, Tensor.topk = self.kept


def first_of_equals(x: Tensor, k: int) -> torch.return_types.topk:
    """Where excluded experts fill up, several have the same score: torch leaves open which is greatest."""
    values, indices = torch.sort(x, dim=-1, descending=True, stable=True)
    return torch.return_types.topk((values[..., :k], indices[..., :k]))


@contextmanager
def given_table(case: Case) -> Iterator[None]:
    """Outside training the state before the first pass is that of the case."""
    kept = torch.randn
    torch.randn = lambda *shape, **_: case["noise"][0]
    yield
    torch.randn = kept


def cached(model: nn.Module, tokens: Tensor, want: Tensor) -> float:
    """Some tokens at once, and the others one after the other."""
    cache = DynamicCache()
    parts = [model(tokens[:, :5], past_key_values=cache).logits]
    parts += [model(tokens[:, at : at + 1], past_key_values=cache).logits for at in range(5, tokens.shape[1])]
    return deviation(torch.cat(parts, 1), want)


def padded(model: nn.Module, tokens: Tensor, want: Tensor) -> float:
    """Padding on the left, which attention does not see."""
    mask = F.pad(torch.ones_like(tokens), (3, -3))
    return deviation(model(F.pad(tokens, (3, -3)), attention_mask=mask).logits[:, 3:], want[:, :-3])


main(Path(sys.argv[1]))
