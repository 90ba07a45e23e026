"""What transformers computes for small models of published families, in float64, for test/import-families.test.ts.

make.py fixtures DIR    DIR/NAME.json: config, names and shapes of the tensors as transformers saves them, tokens, logits. The numbers of
                        the tensors follow from their names (`numbers`), so that a fixture needs a few KB and the test no Python.
make.py folders DIR N   DIR/NAME: the model as transformers saves it, of random sizes and weights of seed N, and case.json with tokens and
                        logits.
make.py logits DIR      prints the logits of DIR/NAME, which `moeut export hf` wrote, for the tokens in its case.json: {NAME: logits}.
"""

import json
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar


@contextmanager
def only_doubles() -> Iterator[None]:
    """Norms, rotary tables and routers convert to float32 whatever the dtype of a model: here that is float64 too."""
    single, convert = torch.float32, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32 = torch.float = single
        torch.Tensor.float = convert


def llama(width: int, layers: int, heads: int, groups: int, **more: object) -> dict[str, object]:
    """Sizes that all families like Llama have."""
    sizes = {"vocab_size": 19, "max_position_embeddings": 16, "hidden_size": width, "intermediate_size": width + 4}
    return {**sizes, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads // groups, **more}


def experts(pick: random.Random, **more: object) -> dict[str, object]:
    return {"num_experts_per_tok": pick.choice([2, 3]), "num_experts": pick.choice([4, 5]), **more}


def cases(pick: random.Random) -> dict[str, tuple[str, dict[str, object]]]:
    """Sizes of a small model of each kind: model_type and fields of its configuration, by name."""

    def sizes(**more: object) -> dict[str, object]:
        heads, groups = pick.choice([(2, 1), (2, 2), (4, 2)])
        return llama(pick.choice([8, 16]), pick.choice([1, 2]), heads, groups, **more)

    def plain(**more: object) -> dict[str, object]:
        """Without heads of keys of their own; heads of 8 channels."""
        made = {**sizes(), "hidden_size": 16, "num_attention_heads": 2, **more}
        return {name: value for name, value in made.items() if name != "num_key_value_heads"}

    return {
        "llama": ("llama", sizes()),
        "llama_tied": ("llama", sizes(tie_word_embeddings=True, mlp_bias=True, head_dim=6)),
        "llama_stretched": (
            "llama",
            sizes(
                attention_bias=True,
                head_dim=pick.choice([8, 16]),
                rope_parameters={
                    "rope_type": "llama3",
                    "rope_theta": 100.0,
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 12,
                },
            ),
        ),
        "llama_linear": ("llama", sizes(rope_parameters={"rope_type": "linear", "rope_theta": 50.0, "factor": 4.0})),
        "mistral": ("mistral", sizes(head_dim=8, sliding_window=pick.choice([2, 3, 5]))),
        "mixtral": ("mixtral", sizes(**experts(pick))),
        "qwen2": ("qwen2", sizes()),
        "qwen2_moe": (
            "qwen2_moe",
            sizes(
                **experts(pick, moe_intermediate_size=4, shared_expert_intermediate_size=8),
                norm_topk_prob=pick.choice([True, False]),
            ),
        ),
        "qwen3": ("qwen3", sizes(head_dim=8)),
        "qwen3_moe": ("qwen3_moe", sizes(**experts(pick, head_dim=6, moe_intermediate_size=5, norm_topk_prob=pick.choice([True, False])))),
        "olmoe": ("olmoe", sizes(**experts(pick, norm_topk_prob=pick.choice([True, False])))),
        "gpt2": (
            "gpt2",
            {
                "vocab_size": 19,
                "n_positions": 16,
                "n_embd": 12,
                "n_layer": pick.choice([1, 2]),
                "n_head": pick.choice([2, 3]),
                "n_inner": pick.choice([None, 20]),
            },
        ),
        "gpt_neox": ("gpt_neox", plain(rotary_pct=pick.choice([0.25, 0.5, 1.0]))),
        "gpt_neox_in_turn": ("gpt_neox", plain(use_parallel_residual=False, attention_bias=False)),
    }


def numbers(name: str, shape: list[int]) -> torch.Tensor:
    """From -0.5 to 0.5, by a hash of name and place; around 1 for what scales."""
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 % 2**32
    x = np.arange(np.prod(shape), dtype=np.uint32) ^ np.uint32(h)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x = (x ^ (x >> np.uint32(16))).astype(np.float64) / 2**32 - 0.5
    return torch.from_numpy((x + (1 if name.endswith("norm.weight") else 0)).astype(np.float32).reshape(shape))


def saved(folder: Path) -> dict[str, list[int]]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: list(file.get_slice(name).get_shape()) for name in sorted(file.keys())}


def model_of(kind: str, fields: dict[str, object]) -> torch.nn.Module:
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**fields))


def logits_of(folder: Path, tokens: list[int], **more: object) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **more).double().eval()
    with torch.no_grad(), only_doubles():
        for module in model.modules():
            if hasattr(module, "inv_freq"):
                module.__init__(model.config)  # tables that were made in single precision
        return model(torch.tensor([tokens])).logits[0].flatten().tolist()


PLAIN = {"attn_implementation": "eager", "experts_implementation": "eager"}


def fixture(folder: Path, kind: str, fields: dict[str, object]) -> dict[str, object]:
    model_of(kind, fields).save_pretrained(folder)
    tensors = saved(folder)
    save_file({name: numbers(name, shape) for name, shape in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    tokens = [3, 0, 7, 7, 18, 11]
    config = json.loads((folder / "config.json").read_text())
    return {"config": config, "tensors": tensors, "tokens": tokens, "logits": logits_of(folder, tokens, **PLAIN)}


def random_folder(folder: Path, kind: str, fields: dict[str, object]) -> None:
    model = model_of(kind, fields)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 1 if parameter.dim() == 1 else 0, 0.3)
    model.save_pretrained(folder)
    tokens = torch.randint(fields["vocab_size"], (12,)).tolist()
    case = {"tokens": tokens, "logits": logits_of(folder, tokens, **PLAIN)}
    (folder / "case.json").write_text(json.dumps(case))


def exported_logits(folder: Path) -> list[float]:
    tokens = json.loads((folder / "case.json").read_text())["tokens"]
    return logits_of(folder, tokens, trust_remote_code=True)


def make(what: str, out: Path, seed: int) -> None:
    torch.manual_seed(seed)
    for name, (kind, fields) in cases(random.Random(seed)).items():
        if what == "folders":
            random_folder(out / name, kind, fields)
        else:
            text = json.dumps(fixture(out / name, kind, fields), separators=(",", ":"))
            (out / f"{name}.json").write_text(text + "\n")
            shutil.rmtree(out / name)


def main(what: str, out: Path, seed: int = 0) -> None:
    disable_progress_bar()
    if what == "logits":
        print(json.dumps({folder.name: exported_logits(folder) for folder in out.iterdir()}))
    else:
        make(what, out, seed)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
