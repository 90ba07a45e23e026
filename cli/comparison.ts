/** A comparison from checked models to the report: what `compare` and `demo` share. */
import { join } from "node:path";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { DeviceHandle } from "../runtime/adapter/index.ts";
import { openComparison } from "../runtime/compare/folder.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import { runComparison, type CompareHooks, type Variant } from "../runtime/compare/run.ts";
import { summarize } from "../runtime/compare/summary.ts";
import { byteTokenizer, loadData, type Dataset } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { writeAtomic } from "../runtime/files/write-atomic.ts";
import { renderReport } from "../runtime/report/index.ts";
import { count, interval, loss, memory, signed, time } from "../runtime/report/words.ts";
import { createProgress, recipeOf, type DataInfo, type Progress } from "../runtime/train/index.ts";
import { watchInterrupt } from "./interrupt.ts";
import { bytes, grouped, say, table } from "./terminal.ts";
import { requireComparable, variantOf } from "./variants.ts";
import { VERSION } from "../runtime/package-root.ts";

export interface ComparisonOptions {
  readonly title: string;
  readonly models: readonly ModelSpec[];
  /** Name of a model. */
  readonly baseline: string;
  readonly source: readonly string[];
  readonly seeds: readonly number[];
  readonly out: string;
  /** Held-out tokens behind the final losses. */
  readonly finalTokens: number;
  readonly prompt: string | null;
  readonly sampleTokens: number;
}

/** Evaluations along a run where the recipe asks for none. */
const EVALUATIONS = 10;

/** @returns null if interrupted: everything done so far is saved, and the same call goes on from there */
export async function compareModels(handle: DeviceHandle, options: ComparisonOptions): Promise<CompareResults | null> {
  const { models, seeds, source, out } = options;
  requireComparable(models);
  const first = models[0]!;
  const { steps, batch, accumulate, evalEvery } = first.train;
  const load = (seed: number): Promise<Dataset> => loadData(source, { tokenizer: byteTokenizer, vocabSize: Math.min(...models.map((m) => m.vocabSize)), seqLen: first.seqLen, batch: batch / accumulate, seed });
  const data = await load(seeds[0]!);
  const dataInfo: DataInfo = { source, id: data.dataId, tokenizer: byteTokenizer.id, tokens: data.nTokens };
  const variants = models.map((model) => variantOf(model, dataInfo, handle));
  const evalTokens = 4 * batch * first.seqLen;
  openComparison(out, {
    format: 1, seeds, data: dataInfo, evalTokens, finalTokens: options.finalTokens,
    variants: models.map((model, i) => ({ name: model.name, specHash: variants[i]!.specHash, recipe: recipeOf(model.train) })),
  });
  say(`${models.length} variants × ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}, ${grouped(steps)} steps of ${grouped(batch * first.seqLen)} tokens each, on ${handle.info.name}`);
  const finished = await withProgress(steps, batch * first.seqLen, (hooks) => runComparison({
    out, variants, seeds, tokenizer: byteTokenizer, data: load, evalTokens, finalTokens: options.finalTokens, prompt: options.prompt, sampleTokens: options.sampleTokens,
    evalEvery: evalEvery > 0 ? evalEvery : Math.max(1, Math.round(steps / EVALUATIONS)),
  }, hooks));
  return finished ? writeResults(options, variants, dataInfo) : null;
}

async function withProgress<T>(steps: number, tokensPerStep: number, work: (hooks: CompareHooks) => Promise<T>): Promise<T> {
  const interrupt = watchInterrupt("stopping after this step; press Ctrl-C again to quit at once");
  let progress: Progress | null = null;
  const label = (variant: Variant, seed: number): string => `${variant.name} seed ${seed}`;
  let current = "";
  const pause = (): void => progress?.finish();
  return work({
    onRun: (variant, seed, index, total) => {
      current = label(variant, seed);
      progress = createProgress({ output: process.stderr, label: current, steps, tokensPerStep });
      say(`run ${index} of ${total}: ${current}; compiling …`);
    },
    onStart: (variant, session, done) => say(`${current}: ${count(variant.parameters.unique)} parameters, ${bytes(session.memoryBytes)} of buffers${done > 0 ? `, resuming after step ${done}` : ""}`),
    onStep: (_, __, record) => progress?.update(record),
    onPhase: (text) => (pause(), say(text)),
    onDone: (_, __, final) => final.diverged !== null && say(`${current}: ${final.diverged}`),
    shouldStop: interrupt.requested,
  }).finally(() => {
    pause();
    interrupt.dispose();
  });
}

function writeResults(options: ComparisonOptions, variants: readonly Variant[], data: DataInfo): CompareResults {
  const { title, seeds, out, baseline, models } = options;
  const { batch, steps } = models[0]!.train;
  const seqLen = models[0]!.seqLen;
  const results = summarize({
    out, title, variants, seeds, baseline, data, versions: { moeut: VERSION, node: process.versions.node },
    budget: { steps, batch, seq_len: seqLen, tokens: steps * batch * seqLen },
  });
  writeAtomic(join(out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  writeAtomic(join(out, "report.html"), renderReport(results));
  return results;
}

export function baselineOf(models: readonly ModelSpec[], name: string | undefined): string {
  const found = name === undefined ? models[0] : models.find((model) => model.name === name);
  if (found !== undefined) return found.name;
  throw new UserError(`there is no variant "${name}" to compare with; choose one of ${models.map((model) => model.name).join(", ")}`);
}

export function resultTable({ variants, baseline }: CompareResults): string {
  const rows = variants.map((v) => [
    v.name, count(v.parameters.unique), count(v.parameters.active), count(v.macs_per_token.full), v.validation_loss === null ? "diverged" : loss(v.validation_loss.mean),
    v.bits_per_byte === null ? "" : loss(v.bits_per_byte), v.name === baseline ? "baseline" : v.difference === null ? "" : `${signed(v.difference.mean)} (${interval(v.difference)})`,
    v.step_seconds === null ? "" : time(v.step_seconds.median), memory(v.memory_bytes),
  ]);
  const head = ["variant", "params", "active", "MACs/token", "loss", "bits/byte", `against ${baseline} (95 %)`, "step", "memory"];
  return table([head, ...rows], ["left", "right", "right", "right", "right", "right", "left", "right", "right"]);
}
