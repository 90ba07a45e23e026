import { Option, type Command } from "commander";
import type { EntryName } from "../../compiler/compile.ts";
import { countMacs } from "../../compiler/counts/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { measurePeak } from "../../runtime/bench/peak.ts";
import { shareByKernel, timeRuns, type KernelShare, type Timing } from "../../runtime/bench/index.ts";
import { createRandom } from "../../runtime/standalone/random.ts";
import { initialize } from "../../runtime/standalone/initialize.ts";
import { updateWords } from "../../runtime/standalone/schedule.ts";
import { interruptible } from "../interrupt.ts";
import { addAdapterOption, addSpecOptions, whole, type AdapterOption, type SpecOptions } from "../options.ts";
import { loadModel, openAdapter, type PlannedSession } from "../../api/session.ts";
import { chooseModel, loadSpec } from "../spec.ts";
import { bytes, milliseconds, printJson, say, short, table } from "../terminal.ts";

type Mode = "train" | "forward" | "generate";

interface Options extends SpecOptions, AdapterOption {
  readonly mode: Mode;
  readonly runs: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(command.argument("<file>", "a spec")))
    .addOption(new Option("--mode <mode>", "what to measure").choices(["train", "forward", "generate"]).default("train"))
    .option("--runs <n>", "timed runs after one that warms up", whole(1), 7)
    .option("--json", "print one JSON document")
    .action(interruptible(run));
}

/** What one run is: its entries, the tokens it consumes, and its work as a multiple of the forward pass. */
const MODES: Readonly<Record<Mode, { readonly entries: readonly EntryName[]; readonly passes: number }>> = {
  train: { entries: ["train", "update"], passes: 3 }, // forward once, backward twice
  forward: { entries: ["evaluate"], passes: 1 },
  generate: { entries: ["decode"], passes: 1 },
};

async function run(file: string, options: Options): Promise<void> {
  const model = chooseModel(loadSpec(file, options.set), options);
  const handle = await openAdapter(options.adapter);
  const { entries } = MODES[options.mode];
  say(`compiling ${model.name} for ${handle.info.name} …`);
  const session = await loadModel(handle, model, { batch: model.train.batch / model.train.accumulate, seqLen: model.seqLen, entries });
  try {
    fill(session, model, entries[0]!);
    const timing = await timeRuns(() => session.executor.run(entries, [readOf(options.mode)]), options.runs);
    const kernels = handle.device.features.has("timestamp-query") ? await shareByKernel(session.executor, session.plan, entries) : null;
    const peak = await measurePeak(handle.device, handle.info.kind !== "gpu");
    print(resultOf(session, model, options, timing, peak, kernels), options);
  } finally {
    session.close();
    handle.close();
  }
}

const readOf = (mode: Mode): string => ({ train: "metrics", forward: "evaluate/token_loss", generate: "decode/logits" })[mode];

/** Official initial weights and random tokens. */
function fill({ executor, params }: PlannedSession, model: ModelSpec, entry: EntryName): void {
  for (const p of params) executor.write(`param/${p.name}`, initialize(p.shape, p.init, 0, p.name));
  const random = createRandom(0, "bench");
  const count = executor.shape(`${entry}/tokens`).reduce((a, b) => a * b, 1);
  const tokens = Uint32Array.from({ length: count }, (_, i) => random.uint32(i) % model.vocabSize);
  executor.write(`${entry}/tokens`, tokens);
  if (entry === "decode") {
    executor.write("decode/position", Uint32Array.of(model.seqLen - 1)); // the dearest position
    executor.write("decode/last", Uint32Array.of(0));
  } else executor.write(`${entry}/targets`, tokens);
  if (entry !== "train") return;
  executor.write("train/loss_scale", Float32Array.of(1));
  executor.write("update", updateWords(model.train, 0));
}

function resultOf(session: PlannedSession, model: ModelSpec, { mode }: Options, timing: Timing, peak: number, kernels: readonly KernelShare[] | null) {
  const { entries, passes } = MODES[mode];
  const sequences = model.train.batch / model.train.accumulate;
  const tokens = mode === "generate" ? 1 : sequences * model.seqLen;
  const flops = 2 * passes * countMacs(model).perToken.full * tokens;
  return {
    model: model.name, mode, adapter: session.adapter, batch: mode === "generate" ? 1 : sequences, seq_len: model.seqLen,
    seconds: timing, tokens_per_second: tokens / timing.median, memory: session.memoryBytes,
    launches: entries.reduce((n, e) => n + session.plan.entries[e]!.dispatches.length, 0),
    flops, peak_flops_per_second: peak, share_of_peak: flops / timing.median / peak, kernels,
  };
}

function print(r: ReturnType<typeof resultOf>, { json }: Options): void {
  if (json === true) return printJson(r);
  process.stdout.write(table([
    [`${r.model}, ${r.mode}`, `on ${r.adapter.name}`],
    ["  time", `${milliseconds(r.seconds.median)} (median of ${r.seconds.runs}; ${milliseconds(r.seconds.min)} to ${milliseconds(r.seconds.max)})`],
    ["  tokens per second", short(r.tokens_per_second)],
    ["  share of peak", `${(100 * r.share_of_peak).toFixed(1)}% of ${short(r.peak_flops_per_second)} flops/s, measured in this run`],
    ["  buffers", bytes(r.memory)],
    ["  launches", String(r.launches)],
    null,
  ], ["left", "left"]));
  if (r.kernels === null) return void process.stdout.write("this adapter has no timestamps: no times by kernel\n");
  process.stdout.write(table([["  kernel", "launches", "time", "share"],
    ...r.kernels.map((k) => [`  ${k.kernel}`, String(k.launches), milliseconds(k.seconds), `${(100 * k.share).toFixed(1)}%`])], ["left", "right", "right", "right"]));
}
