/** A comparison from checked models to the report: what `compare` and `demo` share. */
import { cpus, release, type } from "node:os";
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import { openComparison, requireSameComparison, type FinalRecord } from "../runtime/compare/folder.ts";
import { compareOne, compareVariants } from "../runtime/compare/index.ts";
import type { CompareResults } from "../runtime/compare/results.ts";
import type { CompareOptions } from "../runtime/compare/run.ts";
import type { About } from "../runtime/compare/summary.ts";
import { whenFree } from "../runtime/files/folder.ts";
import { VERSION } from "../runtime/package-root.ts";
import { countedTokens, stepsText } from "../runtime/report/words.ts";
import { grouped } from "../runtime/units.ts";
import { budgetWords } from "./budget.ts";
import { planOf, type ComparisonOptions, type Plan } from "./compare-plan.ts";
import { withProgress } from "./compare-progress.ts";
import { compareTasks, type ScoredBy } from "./compare-tasks.ts";
import { tuningWords } from "./compare-tune.ts";
import type { TrainingData } from "./data.ts";
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
  const { out, seeds } = options;
  const inner = compareOptions(device, options, plan);
  const { info } = await device();
  shortcomings(models, plan.data, info).forEach(say);
  await whenFree(out, () => {
    openComparison(out, plan.info, plan.runs);
    if (Object.keys(stepSeconds).length > 0) keepStepSeconds(out, models, stepSeconds);
  }, undefined, say);
  const each = `${stepsText(variants)} of ${grouped(tokensPerStep)} ${countedTokens(plan.data)}`;
  say(`${models.length} variants × ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}, ${each}, on ${info.name}`);
  if (tuning !== null) say(tuningWords(tuning));
  return withProgress(out, tokensPerStep, async (hooks) => {
    await options.processes?.(info, hooks.shouldStop!);
    return compareVariants(inner, about(options, plan), hooks);
  });
}

/** One job of a sweep. @returns null if interrupted: everything done so far is saved, and the same call goes on from there */
export async function compareJob(
  device: () => Promise<AdapterHandle>, options: ComparisonOptions, name: string,
): Promise<FinalRecord | null> {
  const plan = await planOf(device, options);
  requireSameComparison(options.out, plan.info);
  const inner = compareOptions(device, options, plan);
  return withProgress(options.out, plan.tokensPerStep, (hooks) => compareOne(inner, name, hooks));
}

/** Reads the files of the tasks. */
function compareOptions(
  device: () => Promise<AdapterHandle>, options: ComparisonOptions,
  { models, variants, tuning, evalEvery, info: { evalTokens }, read: { tokenizer, dataset } }: Plan,
): CompareOptions {
  const { out, seeds, source, tasks, finalTokens, depths, prompt, sampleTokens, gather, onlyRuns } = options;
  const scored: ScoredBy = compareTasks(tasks, source, Math.max(...models.map(({ train }) => train.steps)), device);
  const { seqLen } = models[0]!;
  const data: CompareOptions["data"] = async (seed, batch) => dataset({ seqLen, batch, seed });
  const [measured, samples] = [{ evalEvery, evalTokens, finalTokens, depths }, { prompt, sampleTokens }];
  return { out, variants, seeds, tuning, tokenizer, data, ...scored, ...measured, ...samples, gather, onlyRuns, since: Date.now() };
}

function about(
  { title, settings, baseline, margin, tasks, budget }: ComparisonOptions, { models, read: { heldOutBy }, data, tokensPerStep }: Plan,
): About {
  const { seqLen, train: { steps, batch } } = models[0]!;
  return {
    title, settings, baseline, margin, taskMargin: tasks.margin, data, heldOut: HELD_OUT[heldOutBy],
    versions: { moeut: VERSION, node: process.versions.node }, environment: environment(),
    budget: {
      steps, batch, seq_len: data.positions ?? seqLen, tokens: Math.round(steps * tokensPerStep), given: budgetWords(budget, data),
      ...(budget.spent?.unit === "seconds" ? { seconds: budget.spent.amount } : {}),
    },
  };
}

function environment(): CompareResults["environment"] {
  const processors = cpus();
  return {
    command: words(["moeut", ...process.argv.slice(2)]), system: `${type()} ${release()} on ${process.arch}`,
    processors: `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`,
  };
}
