/** A comparison from checked models to the report: what `compare` and `demo` share. */
import { cpus, release, type } from "node:os";
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import { openComparison } from "../runtime/compare/folder.ts";
import { compareVariants } from "../runtime/compare/index.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import type { CompareHooks, CompareOptions } from "../runtime/compare/run.ts";
import type { About } from "../runtime/compare/summary.ts";
import type { Variant } from "../runtime/compare/variant.ts";
import { exitStatusOf, messageOf } from "../runtime/errors.ts";
import { whenFree } from "../runtime/files/folder.ts";
import { VERSION } from "../runtime/package-root.ts";
import { stepsText } from "../runtime/report/words.ts";
import { createProgress, type Progress } from "../runtime/train/index.ts";
import { bytes, grouped, short } from "../runtime/units.ts";
import { budgetWords } from "./budget.ts";
import { planOf, type ComparisonOptions, type Plan } from "./compare-plan.ts";
import { compareTasks, type ScoredBy } from "./compare-tasks.ts";
import { tuningWords } from "./compare-tune.ts";
import type { TrainingData } from "./data.ts";
import { watchInterrupt } from "./interrupt.ts";
import { words } from "./shell.ts";
import { keepStepSeconds } from "./step-seconds.ts";
import { say } from "./terminal.ts";
import { shortcomings } from "./variants.ts";

const HELD_OUT: Readonly<Record<TrainingData["heldOutBy"], string>> = {
  pairs: "pairs that training does not see, none of them test items",
  documents: "documents of the corpus, chosen by a hash of their text",
  blocks: "blocks at even distances in the text, whose rest is trained on; other text may order the variants otherwise",
};

/** @returns null if interrupted: everything done so far is saved, and the same call goes on from there */
export async function compareModels(device: () => Promise<AdapterHandle>, options: ComparisonOptions): Promise<CompareResults | null> {
  const plan = await planOf(device, options);
  const { models, variants, tuning, tokensPerStep, stepSeconds } = plan;
  const { out, seeds, source } = options;
  const scored = compareTasks(options.tasks, source, Math.max(...models.map(({ train }) => train.steps)), device);
  const { info } = await device();
  shortcomings(models, plan.data, info).forEach(say);
  await whenFree(out, () => {
    openComparison(out, plan.info, plan.runs);
    if (Object.keys(stepSeconds).length > 0) keepStepSeconds(out, models, stepSeconds);
  }, undefined, say);
  const each = `${stepsText(variants)} of ${grouped(tokensPerStep)} tokens`;
  say(`${models.length} variants × ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}, ${each}, on ${info.name}`);
  const inner = { ...compareOptions(options, plan), ...scored };
  if (tuning !== null) say(tuningWords(tuning));
  return withProgress(out, tokensPerStep, async (hooks) => {
    await options.processes?.(info, hooks.shouldStop!);
    return compareVariants(inner, about(options, plan), hooks);
  });
}

function compareOptions(
  { out, seeds, finalTokens, depths, prompt, sampleTokens, gather, onlyRuns }: ComparisonOptions,
  { models, variants, tuning, evalEvery, info: { evalTokens }, read: { tokenizer, dataset } }: Plan,
): Omit<CompareOptions, keyof ScoredBy> {
  const { seqLen } = models[0]!;
  const data: CompareOptions["data"] = async (seed, batch) => dataset({ seqLen, batch, seed });
  const [measured, samples] = [{ evalEvery, evalTokens, finalTokens, depths }, { prompt, sampleTokens }];
  return { out, variants, seeds, tuning, tokenizer, data, ...measured, ...samples, gather, onlyRuns, since: Date.now() };
}

function about(
  { title, baseline, margin, tasks, budget }: ComparisonOptions, { models, read: { heldOutBy }, data, tokensPerStep }: Plan,
): About {
  const { seqLen, train: { steps, batch } } = models[0]!;
  return {
    title, baseline, margin, taskMargin: tasks.margin, data, heldOut: HELD_OUT[heldOutBy],
    versions: { moeut: VERSION, node: process.versions.node }, environment: environment(),
    budget: { steps, batch, seq_len: data.positions ?? seqLen, tokens: Math.round(steps * tokensPerStep), given: budgetWords(budget) },
  };
}

function environment(): CompareResults["environment"] {
  const processors = cpus();
  return {
    command: words(["moeut", ...process.argv.slice(2)]), system: `${type()} ${release()} on ${process.arch}`,
    processors: `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`,
  };
}

async function withProgress<T>(out: string, tokensPerStep: number, work: (hooks: CompareHooks) => Promise<T>): Promise<T> {
  const left = (): string => `finished runs and checkpoints stay in ${out}, and the same command continues`;
  const interrupt = watchInterrupt("stopping after this step; press Ctrl-C again to quit at once", left);
  let progress: Progress | null = null;
  const label = (variant: Variant, seed: number): string => `${variant.stem} seed ${seed}`;
  let current = "";
  const pause = (): void => progress?.finish();
  return work({
    onRun: (variant, seed, index, total) => {
      current = label(variant, seed);
      progress = createProgress({ output: process.stderr, label: current, steps: variant.recipe.steps, tokensPerStep });
      say(`run ${index} of ${total}: ${current}; compiling …`);
    },
    onStart: ({ parameters }, { memoryBytes }, done) => {
      const resuming = done > 0 ? `, resuming after step ${done}` : "";
      say(`${current}: ${short(parameters.unique)} parameters, ${bytes(memoryBytes)} of buffers${resuming}`);
    },
    onStep: (_, __, record) => progress?.update(record),
    onPhase: (text) => (pause(), say(text)),
    onDone: (_, __, final) => final.diverged !== null && say(`${current}: ${final.diverged}`),
    onFail: (_, __, error) => (pause(), sayFailure(current, error)),
    onMiss: (what, error) => (pause(), sayFailure(what, error)),
    shouldStop: interrupt.requested,
  }).finally(() => {
    pause();
    interrupt.dispose();
  });
}

/** The others go on; but a bug is shown whole, and the exit status tells of it. */
function sayFailure(what: string, error: unknown): void {
  const isBug = exitStatusOf(error) === 3;
  if (isBug) process.exitCode = 3;
  say(`${what} failed: ${isBug && error instanceof Error ? error.stack : messageOf(error)}`);
}
