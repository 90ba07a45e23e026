/** train.py: the recipe of a spec for torchrun. The rules are those of runtime/standalone/schedule.ts and kernels/optimizer.ts. */
import type { ModelSpec, TrainSpec } from "../ir/model-spec.ts";
import { parametersOf } from "../parameters/parameters.ts";
import { torchPlace } from "./names.ts";
import { formatted, lines, number, python } from "./python.ts";

/** @param tokenizer id of the one that the weights belong to; null if they have seen no tokens */
export function trainFile(model: ModelSpec, tokenizer: string | null): string {
  const rates = parametersOf(model).flatMap((p) => (p.signRate === null ? [] : [[torchPlace(model, p).name, p.signRate] as const]));
  const parts = [
    head(model, rates, tokenizer), scheduleText(model.train), DATA, wrapped(model), STEP, optimize(model.train, rates), CHECKPOINT,
    main(rates, tokenizer), argumentsText(model), 'if __name__ == "__main__":\n    main()',
  ];
  return formatted(`${parts.join("\n\n\n")}\n`);
}

/** Biases that go by the load: their names in PyTorch, and how fast. */
type Rates = readonly (readonly [name: string, rate: number])[];

/** What it is, what it imports, and the numbers of the recipe. */
function head(model: ModelSpec, rates: Rates, tokenizer: string | null): string {
  const { optimizer: o, gradClip, batch, accumulate, steps, evalEvery, checkpointEvery } = model.train;
  return python`
    """
    Trains ${model.name} on a corpus that \`moeut data prepare SOURCE --out DATA\` made:

        torchrun --nproc-per-node 8 train.py --data DATA --out RUN --sharding fsdp

    A run that was stopped goes on with the same command, also with another number of processes. RUN is a folder like this
    one; \`moeut import hf RUN --out DIR\` makes a run folder of moeut of it.
    """

    import argparse
    import hashlib
    import json
    import math
    import os
    import shutil
    import time
    from contextlib import nullcontext
    from functools import cache
    from pathlib import Path

    import numpy as np
    import torch
    from safetensors.torch import save_file
    from torch import Tensor, distributed, nn
    from torch.distributed.checkpoint import state_dict as whole
    from torch.distributed.fsdp import fully_shard
    from torch.nn.parallel import DistributedDataParallel
    from transformers import AutoModelForCausalLM, PreTrainedModel

    HERE = Path(__file__).parent
    SEQ_LEN, BATCH, ACCUMULATE, STEPS = ${model.seqLen}, ${batch}, ${accumulate}, ${steps}
    EVAL_EVERY, CHECKPOINT_EVERY = ${evalEvery}, ${checkpointEvery}
    LR, BETAS, EPS, WEIGHT_DECAY = ${number(o.lr)}, (${number(o.beta1)}, ${number(o.beta2)}), ${number(o.eps)}, ${number(o.weightDecay)}
    ${gradClip === null ? "" : `GRAD_CLIP = ${number(gradClip)}`}
    ${rates.length === 0 ? "" : ratesText(rates)}
    ${tokenizer === null ? "" : `TOKENIZER = "${tokenizer}"`}
  `;
}

/** The blocks of a corpus, and which of them a step has. */
const DATA = python`
  class Tokens:
      """Blocks of SEQ_LEN + 1 tokens, of the part of a corpus that is trained on or held out."""

      def __init__(self, folder: Path, part: str) -> None:
          index = json.loads((folder / "index.json").read_text())
          dtype = f"<u{index['token_bytes']}"
          names = [shard["name"] for shard in index["shards"] if shard[part]["tokens"] > 0]
          self.shards = [np.memmap(folder / part / f"{name}.tokens", dtype, "r") for name in names]
          self.ends = np.cumsum([len(shard) for shard in self.shards], dtype=np.int64)
          self.blocks = int(self.ends[-1]) // (SEQ_LEN + 1) if names else 0

      def block(self, index: int) -> np.ndarray:
          start, pieces, missing = index * (SEQ_LEN + 1), [], SEQ_LEN + 1
          shard = int(np.searchsorted(self.ends, start, "right"))
          at = start - (int(self.ends[shard]) - len(self.shards[shard]))
          while missing > 0:
              pieces.append(self.shards[shard][at : at + missing].astype(np.int64))
              shard, at, missing = shard + 1, 0, missing - len(pieces[-1])
          return np.concatenate(pieces)

      def batch(self, blocks: list[int], device: torch.device) -> tuple[Tensor, Tensor]:
          rows = torch.from_numpy(np.stack([self.block(index) for index in blocks])).to(device)
          return rows[:, :-1], rows[:, 1:]


  def corpus(folder: Path) -> dict[str, object]:
      """The data as moeut names it."""
      index = json.loads((folder / "index.json").read_text())
      parts = [shard[part] for shard in index["shards"] for part in ("train", "validation")]
      hashes = "\\n".join(f"{part['tokens']} {part['tokens_sha256']}" for part in parts)
      tokens, tokenizer = sum(part["tokens"] for part in parts), index["tokenizer"]["id"]
      name = hashlib.sha256(f"prepared {tokenizer} {SEQ_LEN}\\n{hashes}".encode()).hexdigest()[:32]
      return {"source": [str(folder)], "id": name, "tokenizer": tokenizer, "tokens": tokens}


  @cache
  def epoch_order(epoch: int, count: int, seed: int) -> np.ndarray:
      return np.random.default_rng([seed, epoch]).permutation(count)


  def drawn(step: int, count: int, seed: int) -> list[int]:
      """The blocks of a step: every epoch visits each once, in its own order."""
      places = range(step * BATCH, (step + 1) * BATCH)
      return [int(epoch_order(at // count, count, seed)[at % count]) for at in places]
`;

function wrapped(model: ModelSpec): string {
  return python`
    def wrapped(model: PreTrainedModel, sharding: str) -> nn.Module:
        if not distributed.is_initialized():
            return model
        if sharding == "ddp":
            return DistributedDataParallel(model)
        for layer in model.layers:  # a layer is one unit, however often it is applied
            ${model.halting === null ? "" : 'if hasattr(layer, "halting"):\n    fully_shard(layer.halting, reshard_after_forward=False)'}
            fully_shard(layer, reshard_after_forward=False)
        return fully_shard(model)
  `;
}

/** Losses: of what is held out, and of a step with its gradients. */
const STEP = python`
  def mean_over_ranks(values: Tensor) -> list[float]:
      if distributed.is_initialized():
          distributed.all_reduce(values)
          values /= distributed.get_world_size()
      return values.tolist()


  @torch.no_grad()
  def validation_loss(model: nn.Module, tokens: Tokens, rank: int, world: int, args: argparse.Namespace) -> float:
      """Nats per token of at most args.eval_blocks held-out blocks, at even distances."""
      model.eval()
      count = min(tokens.blocks, args.eval_blocks) // world
      total = torch.zeros(1, dtype=torch.float64, device=args.device)
      for index in range(rank * count, rank * count + count):
          inputs, targets = tokens.batch([index * tokens.blocks // (count * world)], args.device)
          with autocast(args):
              total += model(inputs, shift_labels=targets, use_cache=False).loss
      model.train()
      return mean_over_ranks(total / max(1, count))[0]


  def autocast(args: argparse.Namespace) -> torch.autocast | nullcontext:
      return torch.autocast(args.device.type, torch.bfloat16) if args.dtype == "bfloat16" else nullcontext()


  def train_step(model: nn.Module, step: int, tokens: Tokens, rank: int, world: int, args: argparse.Namespace) -> Tensor:
      """Adds up the gradients of all micro-batches; mean loss and balance terms."""
      torch.manual_seed((args.seed * STEPS + step) * world + rank)
      blocks = drawn(step, tokens.blocks, args.seed)
      rows = BATCH // args.accumulate // world  # of a micro-batch, here
      losses = torch.zeros(2, dtype=torch.float64, device=args.device)
      for micro in range(args.accumulate):
          first = (micro * world + rank) * rows
          inputs, targets = tokens.batch(blocks[first : first + rows], args.device)
          is_last = micro == args.accumulate - 1
          with model.no_sync() if isinstance(model, DistributedDataParallel) and not is_last else nullcontext():
              with autocast(args):
                  out = model(inputs, shift_labels=targets, use_cache=False)
              (out.loss / args.accumulate).backward()
          losses[0] += out.loss.detach()
          losses[1] += out.get("aux_loss", losses.new_zeros(())).detach()
      return losses / args.accumulate
`;

function optimize({ gradClip }: TrainSpec, rates: Rates): string {
  return python`
    def optimize(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> float:
        ${rates.length === 0 ? "" : BIASES}
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = nn.utils.${gradClip === null ? "get_total_norm([p.grad for p in parameters])" : "clip_grad_norm_(parameters, GRAD_CLIP)"}
        optimizer.param_groups[0]["lr"] = learning_rate(step)
        optimizer.step()
        model.zero_grad()
        return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
  `;
}

const CHECKPOINT = python`
  WHOLE = whole.StateDictOptions(full_state_dict=True, cpu_offload=True)


  def end_diverged(run: dict[str, object], what: str, rank: int, out: Path) -> None:
      """Ends a training that cannot go on; diverged.json says so to \`moeut compare --gather\`."""
      message = f"training diverged in step {run['step']}: {what}"
      if rank == 0:
          (out / "diverged.json").write_text(f"{json.dumps(run | {'message': message}, indent=2)}\\n")
      if distributed.is_initialized():
          distributed.barrier()  # a process that ends may take the others with it
      raise SystemExit(message)


  def save(
      model: nn.Module, optimizer: torch.optim.Optimizer, run: dict[str, object], rank: int, args: argparse.Namespace
  ) -> None:
      """What training goes on from, and for everybody else the weights and what they saw."""
      weights, moments = whole.get_state_dict(model, optimizer, options=WHOLE)
      bad = sum(not bool(value.isfinite().all()) for value in weights.values())  # the first process has them
      if mean_over_ranks(torch.tensor([bad], dtype=torch.float64, device=args.device))[0] > 0:
          end_diverged(run, "the weights after it are not finite", rank, args.out)
      out = args.out
      if rank == 0:
          torch.save({"run": run, "weights": weights, "optimizer": moments}, out / "checkpoint.tmp")
          os.replace(out / "checkpoint.tmp", out / "checkpoint.pt")
          save_file({name: value.contiguous() for name, value in weights.items()}, out / "model.safetensors", {"format": "pt"})
          (out / "training.json").write_text(f"{json.dumps(run, indent=2)}\\n")


  def resume(model: nn.Module, optimizer: torch.optim.Optimizer, run: dict[str, object], out: Path) -> int:
      """The number of steps that are done."""
      if not (out / "checkpoint.pt").exists():
          return 0
      kept = torch.load(out / "checkpoint.pt", map_location="cpu", weights_only=True)
      if (kept["run"]["seed"], kept["run"]["data"]["id"]) != (run["seed"], run["data"]["id"]):
          raise SystemExit(f"{out} was trained with another seed or on other data; choose another --out")
      whole.set_state_dict(
          model, optimizer, model_state_dict=kept["weights"], optim_state_dict=kept["optimizer"], options=WHOLE
      )
      return kept["run"]["step"]
`;

function main(rates: Rates, tokenizer: string | null): string {
  return python`
    def main() -> None:
        args = arguments()
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", 0))
        args.device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
        if "RANK" in os.environ:
            distributed.init_process_group("nccl" if args.device.type == "cuda" else "gloo")
        if BATCH % (args.accumulate * world) != 0:
            raise SystemExit(f"{BATCH} sequences are not {args.accumulate} equal micro-batches of {world} processes")
        if rank == 0:
            args.out.mkdir(parents=True, exist_ok=True)
            for file in [*HERE.glob("[!.]*"), *args.data.glob("tokenizer.json")]:
                if file.suffix in {".py", ".json", ".md", ".moeut"} and not (args.out / file.name).exists():
                    shutil.copy(file, args.out)

        dtype = torch.float64 if args.dtype == "float64" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(HERE, trust_remote_code=True, dtype=dtype).to(args.device).train()
        if args.checkpoint_activations:
            model.gradient_checkpointing_enable()
        if args.compile:
            for layer in model.layers:
                layer.compile()
        model = wrapped(model, args.sharding)
        ${rates.length === 0 ? "learned = list(model.parameters())"
        : "learned = [p for name, p in model.named_parameters() if name.removeprefix(\"module.\") not in BALANCE_RATES]"}
        optimizer = torch.optim.AdamW(learned, LR, BETAS, EPS, WEIGHT_DECAY)
        processor = torch.cuda.get_device_name(args.device) if args.device.type == "cuda" else "CPU"
        adapter = {"kind": "pytorch", "name": f"{processor} × {world}, PyTorch {torch.__version__}"}
        run = {"seed": args.seed, "data": corpus(args.data), "adapter": adapter}
        ${tokenizer === null ? "" : OTHER_TOKENIZER}
        done = resume(model, optimizer, run, args.out)
        train, held_out = Tokens(args.data, "train"), Tokens(args.data, "validation")

        log = args.out / "log.jsonl"
        if rank == 0:
            records = log.read_text().splitlines()[:done] if log.exists() else []
            log.write_text("".join(f"{record}\\n" for record in records))
            (args.out / "diverged.json").unlink(missing_ok=True)
        for step in range(done, min(STEPS, args.stop or STEPS)):
            started = time.perf_counter()
            loss, balance = mean_over_ranks(train_step(model, step, train, rank, world, args))
            norm = optimize(model, optimizer, step)
            now = run | {"step": step + 1}
            if not math.isfinite(loss + norm):
                end_diverged(now, f"the loss is {loss}, the gradient's norm {norm}", rank, args.out)
            record = {"step": step + 1, "loss": loss, "ce_loss": loss - balance, "reg_loss": balance, "grad_norm": norm}
            record |= {"lr": learning_rate(step), "tokens": (step + 1) * BATCH * SEQ_LEN}
            record["seconds"] = time.perf_counter() - started
            if EVAL_EVERY and (step + 1) % EVAL_EVERY == 0 and held_out.blocks >= world:
                record["validation_loss"] = validation_loss(model, held_out, rank, world, args)
                if not math.isfinite(record["validation_loss"]):
                    end_diverged(now, f"the validation loss is {record['validation_loss']}", rank, args.out)
            if rank == 0:
                with log.open("a") as file:
                    file.write(f"{json.dumps(record)}\\n")
            if (CHECKPOINT_EVERY and (step + 1) % CHECKPOINT_EVERY == 0) or step + 1 in (STEPS, args.stop):
                save(model, optimizer, now, rank, args)
        if distributed.is_initialized():
            distributed.destroy_process_group()
  `;
}

function argumentsText(model: ModelSpec): string {
  return python`
    def arguments() -> argparse.Namespace:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--data", type=Path, required=True, help="a prepared corpus")
        parser.add_argument("--out", type=Path, required=True, help="the run: checkpoint, log.jsonl, and a model like this one")
        parser.add_argument("--sharding", choices=["ddp", "fsdp"], default="ddp", help="of the model over processes")
        parser.add_argument("--dtype", choices=["float32", "bfloat16", "float64"], default="float32", help="bfloat16 by autocast")
        ${isBatchWide(model) ? "parser.set_defaults(accumulate=ACCUMULATE)  # balance is over the whole batch" : ACCUMULATE}
        parser.add_argument("--checkpoint-activations", action="store_true", help="keep one activation an application")
        parser.add_argument("--compile", action="store_true", help="with torch.compile")
        parser.add_argument("--eval-blocks", type=int, default=256, help="held-out sequences of an evaluation")
        parser.add_argument("--seed", type=int, default=0, help="of the order of the data, and of all that is drawn")
        parser.add_argument("--stop", type=int, default=0, help="stop after this step, to go on later")
        return parser.parse_args()
  `;
}

const ratesText = (rates: Rates): string => lines(
  "BALANCE_RATES = {", ...rates.map(([name, rate]) => `    "${name}": ${number(rate)},`),
  "}  # of biases that go by the load, not by descent",
);

const OTHER_TOKENIZER = `if run["data"]["tokenizer"] != TOKENIZER:
    raise SystemExit(f"{args.data} has tokens of another tokenizer: give {HERE / 'tokenizer.json'} to moeut data prepare")`;

const BIASES = `with torch.no_grad():
    for name, p in model.named_parameters():
        rate = BALANCE_RATES.get(name.removeprefix("module."))
        if rate is not None:
            p -= rate * p.grad.sign()`;

const ACCUMULATE = 'parser.add_argument("--accumulate", type=int, default=ACCUMULATE, help="micro-batches of a step")';

/** A term of balance is over all sequences of a step, which then cannot be cut. */
const isBatchWide = ({ layers }: ModelSpec): boolean =>
  layers.some(({ attention, feedForward }) =>
    [attention, feedForward].some((block) => "balance" in block && block.balance?.over === "batch"));

/** Share of the decay that is still to come. */
const REMAINING = { linear: "(1 - progress)", cosine: "(1 + math.cos(math.pi * progress)) / 2" } as const;

function scheduleText({ schedule: { kind, warmup, floor } }: TrainSpec): string {
  const done = warmup === 0 ? "step" : `(step - ${warmup})`;
  return python`
    def learning_rate(step: int) -> float:
        """Of a step, from 0 on."""
        ${warmup === 0 ? "" : `if step < ${warmup}:\n    return LR * (step + 1) / ${warmup}`}
        ${kind === "constant" ? "" : `progress = min(1, ${done} / STEPS)`}
        return LR${kind === "constant" ? "" : ` * (${number(floor)} + ${number(1 - floor)} * ${REMAINING[kind]})`}
  `;
}
