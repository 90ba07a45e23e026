/** How an entry's launches become work for threads: what may run at the same time, and in how many parts. */
import type { Dispatch, EntryPlan, Kernel, KernelPlan } from "../plan.ts";

/** A launch as threads see it: numbers alone. Addresses are bytes in the memory. */
export interface Call {
  readonly kernel: number;
  readonly sizes: number; // address
  readonly groups: number; // workgroups in all
  readonly buffers: readonly number[]; // addresses
}

/** One call in `units` that different threads may do, or several calls as a single unit. Units are numbered through all tasks. */
export interface Task {
  readonly calls: readonly Call[];
  readonly units: number;
  readonly first: number;
  /** Number of the first unit of its stage: it may begin when all units before are done. */
  readonly stage: number;
  /** The same of the next stage, and how many units that has. */
  readonly nextStage: number;
  readonly nextUnits: number;
}

/** A task before its units are numbered. */
type Part = Pick<Task, "calls" | "units">;
type Stage = readonly Part[];

/** Numbers of tasks from … to. */
export type Range = readonly [from: number, to: number];

/** Tasks of all entries, and which of them do an entry: at full speed, or one launch. */
export interface TaskList {
  readonly tasks: readonly Task[];
  readonly entries: Readonly<Record<string, { readonly all: Range; readonly each: readonly Range[] }>>;
}

/** Bytes of its buffers together, below which a launch is sooner done than shared. */
const SMALL = 65536;

/** @param most units to cut a launch into, at most */
export function listTasks(plan: KernelPlan, callOf: (d: Dispatch) => Call, most: number): TaskList {
  const partOf = (d: Dispatch): Part => {
    const call = callOf(d);
    const bytes = d.buffers.reduce((sum, b) => sum + plan.buffers[b]!.bytes, 0);
    return { calls: [call], units: bytes < SMALL ? 1 : Math.min(most, call.groups) };
  };
  const tasks: Task[] = [];
  const add = (stages: readonly Stage[]): Range => {
    const from = tasks.length;
    tasks.push(...numbered(stages, tasks.at(-1)?.nextStage ?? 0));
    return [from, tasks.length];
  };
  const tasksOf = ({ dispatches }: EntryPlan) => {
    const all = add(joined(stagesOf(dispatches, plan.kernels, partOf)));
    const [first] = add(dispatches.map((d) => [partOf(d)]));
    return { all, each: dispatches.map((_, i): Range => [first + i, first + i + 1]) };
  };
  return { entries: Object.fromEntries(Object.entries(plan.entries).map(([name, entry]) => [name, tasksOf(entry)])), tasks };
}

/**
 * Launches of one stage touch nothing that another one of it writes. A launch stands in the first stage behind all those that it must wait
 * for, because they write what it uses or use what it writes.
 */
function stagesOf(dispatches: readonly Dispatch[], kernels: readonly Kernel[], partOf: (d: Dispatch) => Part): readonly Stage[] {
  const stages: Part[][] = [];
  const [wrote, used] = [new Map<number, number>(), new Map<number, number>()]; // buffer → last stage that wrote or used it
  for (const dispatch of dispatches) {
    const uses = dispatch.buffers.map((buffer, i) => ({ buffer, writes: kernels[dispatch.kernel]!.access[i] === "read_write" }));
    const stage = 1 + uses.reduce((last, { buffer, writes }) => Math.max(last, (writes ? used : wrote).get(buffer) ?? -1), -1);
    for (const { buffer, writes } of uses) {
      used.set(buffer, Math.max(stage, used.get(buffer) ?? -1));
      if (writes) wrote.set(buffer, stage);
    }
    (stages[stage] ??= []).push(partOf(dispatch));
  }
  return stages;
}

/** Stages of a single unit, one behind the other, become a single unit: no thread has to wait for another in between. */
function joined(stages: readonly Stage[]): readonly Stage[] {
  const isSingle = (stage: Stage | undefined): boolean => stage?.length === 1 && stage[0]!.units === 1;
  const result: Stage[] = [];
  for (const stage of stages) {
    const last = result.at(-1);
    if (!isSingle(last) || !isSingle(stage)) result.push(stage);
    else result[result.length - 1] = [{ calls: [...last![0]!.calls, ...stage[0]!.calls], units: 1 }];
  }
  return result;
}

const unitsIn = (stage: Stage | undefined): number => (stage ?? []).reduce((sum, { units }) => sum + units, 0);

/** @param first number of the first unit */
function numbered(stages: readonly Stage[], first: number): readonly Task[] {
  const tasks: Task[] = [];
  let at = first;
  stages.forEach((parts, i) => {
    const [stage, nextStage, nextUnits] = [at, at + unitsIn(parts), unitsIn(stages[i + 1])];
    for (const part of parts) {
      tasks.push({ ...part, first: at, stage, nextStage, nextUnits });
      at += part.units;
    }
  });
  return tasks;
}
