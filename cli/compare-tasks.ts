/** The tasks of `eval` as a comparison measures its runs by them. */
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import type { CompareOptions } from "../runtime/compare/run.ts";
import type { CompareTask } from "../runtime/compare/scores.ts";
import { UserError } from "../runtime/errors.ts";
import { pairTask } from "../runtime/pairs/tasks.ts";
import type { TaskProtocol } from "../runtime/tasks/items.ts";
import { measurementsOf, type Measurement } from "./measurements.ts";
import { say } from "./terminal.ts";
import { readTrainedRun } from "./trained-run.ts";

export interface TaskOptions {
  /** null: of pairs their own, else none. */
  readonly names: readonly string[] | null;
  /** Steps of training besides the end. */
  readonly at: readonly number[];
  /** Where the published files are; null: as the task says. */
  readonly folder: string | null;
  readonly protocol: TaskProtocol;
  /** Items of each part of a task, at most; null: all. */
  readonly limit: number | null;
  /** Shares of right answers within it are equivalent. */
  readonly margin: number;
}

export const NO_TASKS: TaskOptions = { names: [], at: [], folder: null, protocol: "moeut", limit: null, margin: 0.01 };

export type ScoredBy = Pick<CompareOptions, "tasks" | "scoreAt">;

/** Reads the files of the tasks. UserError for what is wrong with them, and for steps that no run has. */
export function compareTasks(
  options: TaskOptions, source: readonly string[], steps: number, device: () => Promise<AdapterHandle>,
): ScoredBy {
  const beyond = options.at.find((step) => step > steps);
  if (beyond !== undefined) throw new UserError(`tasks cannot measure the runs at step ${beyond}: they have ${steps} steps`);
  const found = measurements(options, source);
  const tasks = found.map((of) => compareTask(of, device));
  const different = tasks.filter(({ id }, i) => tasks.findIndex((other) => other.id === id) === i);
  if (different.length === 0 && options.at.length > 0) throw new UserError(`--at ${options.at.join(",")} needs tasks: --tasks LIST`);
  const scoreAt = [...new Set(options.at)].filter((step) => step < steps).sort((a, b) => a - b);
  return { tasks: different, scoreAt };
}

function measurements({ names, folder, protocol, limit }: TaskOptions, source: readonly string[]): readonly Measurement[] {
  const measurementsOfAll = (of: readonly string[]): readonly Measurement[] =>
    of.flatMap((name) => measurementsOf(name, { trainedOn: { source, who: "every variant" }, folder, protocol, limit }));
  if (names !== null) return measurementsOfAll(names);
  try {
    return pairTask(source) === null ? [] : measurementsOfAll([source[0]!.replace(/:.*/s, "")]);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    say(`note: no run is measured by its answers: ${error.message}`);
    return [];
  }
}

const compareTask = ({ task, id, measure }: Measurement, device: () => Promise<AdapterHandle>): CompareTask => ({
  name: task, id: id(),
  score: async (folder) => {
    const trained = readTrainedRun(folder, []);
    const { headline, records } = await measure(await device(), trained.model, trained);
    return { step: trained.step, headline, records };
  },
});
