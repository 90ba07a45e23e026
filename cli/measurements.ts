/** The benchmarks and tasks of pairs that `eval` and `compare` measure a trained run by: their files read once, for all runs and depths. */
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import type { Headline } from "../runtime/compare/scores.ts";
import { sha256 } from "../runtime/files/sha256.ts";
import type { TaskProtocol } from "../runtime/tasks/items.ts";
import { grouped } from "../runtime/units.ts";
import {
  isPairTest, loadPairTests, pairDocument, pairWords, runPairTest, type PairOutcome, type PairTest, type TrainedOn,
} from "./eval/pairs.ts";
import { loadTasks, runTask, taskWords, type LoadedTask, type TaskOutcome } from "./eval/tasks.ts";
import { say } from "./terminal.ts";
import type { TrainedRun } from "./trained-run.ts";

/** What came out of a task: one document, its items, the words for it, and its first figure. */
export interface TaskResult {
  readonly document: Readonly<Record<string, unknown>>;
  readonly records: readonly object[];
  readonly words: string;
  readonly headline: Headline;
}

export interface Measurement {
  readonly task: string;
  /** Of the items and how they are scored: results with the same id can be held against each other. */
  readonly id: () => string;
  readonly measure: (handle: AdapterHandle, model: ModelSpec, trained: TrainedRun) => Promise<TaskResult>;
}

export interface MeasurementOptions {
  readonly trainedOn: TrainedOn;
  /** Where the published files are; null: as the task says. */
  readonly folder: string | null;
  readonly protocol: TaskProtocol;
  /** Items of each group of a benchmark, and of each kind of pairs, at most; null: all. */
  readonly limit: number | null;
}

/** The test sets of a name, files read already. UserError for a name that is no task, or none of what was trained on. */
export function measurementsOf(name: string, { trainedOn, folder, protocol, limit }: MeasurementOptions): readonly Measurement[] {
  if (isPairTest(name)) return loadPairTests(name, trainedOn, folder)
    .map((test) => ofPairs({ ...test, pairs: firstOf(limit, test.name, test.pairs, ({ kind }) => kind) }));
  return loadTasks([name], folder ?? ".", protocol)
    .map((task) => ofBenchmark({ ...task, items: firstOf(limit, task.name, task.items, ({ group }) => group) }, protocol));
}

/** As many of each part, in their order; says so if any are left out. */
function firstOf<T>(limit: number | null, name: string, all: readonly T[], partOf: (item: T) => string): readonly T[] {
  if (limit === null) return all;
  const seen = new Map<string, number>();
  const first = all.filter((item) => {
    const count = (seen.get(partOf(item)) ?? 0) + 1;
    seen.set(partOf(item), count);
    return count <= limit;
  });
  if (first.length < all.length) say(`note: ${name}: ${grouped(first.length)} of ${grouped(all.length)} items, the first of each part`);
  return first;
}

const ofPairs = (test: PairTest): Measurement => ({
  task: test.name, id: () => sha256([JSON.stringify(test)]),
  measure: async (handle, model, trained) => {
    const outcome = await runPairTest(handle, model, trained, test);
    return { document: pairDocument(outcome), records: outcome.records, words: pairWords(outcome), headline: headlineOfPairs(outcome) };
  },
});

const ofBenchmark = (task: LoadedTask, protocol: TaskProtocol): Measurement => ({
  task: task.name, id: () => sha256([JSON.stringify([protocol, task.items])]),
  measure: async (handle, model, trained) => {
    const outcome = await runTask(handle, model, trained, task, protocol);
    return {
      document: { protocol, ...documentOf(outcome) }, records: outcome.records, words: taskWords(outcome, protocol),
      headline: headlineOf(outcome),
    };
  },
});

const documentOf = ({ records: _, results, ...rest }: TaskOutcome) =>
  ({ ...rest, results: results.map(({ standardError, ...result }) => ({ ...result, standard_error: standardError })) });

function headlineOfPairs({ results: [first], records, kinds, by }: PairOutcome): Headline {
  const parts = Object.fromEntries(Object.entries(kinds).map(([kind, { value }]) => [kind, value]));
  const { metric, value } = first!;
  return { metric, value, chance: null, parts: { [by]: parts }, values: records.map(({ exact }) => exact), groups: records.map(() => 0) };
}

/** A set of one's own may have items without the first figure. */
function headlineOf({ results: [first], records, chance }: TaskOutcome): Headline {
  const { metric, value, kinds, groups } = first!;
  const having = records.filter(({ measures }) => metric in measures);
  const names = Object.keys(groups);
  return {
    metric, value, chance: Number.isNaN(chance) ? null : chance, parts: names.length > 1 ? { ...kinds, group: groups } : kinds,
    values: having.map(({ measures }) => measures[metric]!), groups: having.map(({ group }) => names.indexOf(group)),
  };
}
