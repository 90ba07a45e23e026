/**
 * What a thread does. These functions also run from their own text, in threads that have no modules: they name nothing but each other,
 * their parameters and globals, and define no functions inside, to which bundlers would add calls of their own.
 */
import type { WasmInstance, WasmInterface, WasmMemory, WasmModule } from "./platform.ts";
import type { Task } from "./tasks.ts";

declare const WebAssembly: WasmInterface;

/**
 * Words that threads share, each in a cache line of its own. Counts of units go on from run to run and wrap: nothing is reset that a thread
 * might still look at, however late it wakes up.
 */
export interface Control {
  /** Number of the run, odd while the rest is being written; its tasks from … to; what to subtract from counts for numbers of units. */
  readonly run: Int32Array;
  /** Units that threads have taken. */
  readonly taken: Int32Array;
  /** Units that are done; who waits for a stage sleeps on it. */
  readonly done: Int32Array;
  /** How many sleep on `done`. */
  readonly sleepers: Int32Array;
  /** When each stage ended, by its last task: milliseconds since 1970. */
  readonly ends: Float64Array;
  /** Milliseconds that each thread has spent in kernels, in the first word of its cache line. */
  readonly busy: Float64Array;
}

export interface Run {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly offset: number;
}

/** All that a thread is given. */
export interface ThreadStart {
  /** Its number, and how many there are. */
  readonly thread: number;
  readonly threads: number;
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  readonly kernels: number;
  readonly scratch: number; // address
  readonly tasks: readonly Task[];
}

export type ThreadAnswer = { readonly finished: true } | { readonly failed: number; readonly message: string };

export type KernelFunction = (sizes: number, scratch: number, first: number, end: number, ...buffers: readonly number[]) => void;

/** They take the beginning of the memory. */
export const controlBytes = (threads: number, tasks: number): number => 256 + 64 * threads + 8 * tasks;

export function controlIn({ buffer }: WasmMemory, threads: number, tasks: number): Control {
  return {
    run: new Int32Array(buffer, 0, 4), taken: new Int32Array(buffer, 64, 1), done: new Int32Array(buffer, 128, 1),
    sleepers: new Int32Array(buffer, 192, 1), busy: new Float64Array(buffer, 256, 8 * threads),
    ends: new Float64Array(buffer, 256 + 64 * threads, tasks),
  };
}

export function kernelsOf(instance: WasmInstance, count: number): readonly KernelFunction[] {
  return Array.from({ length: count }, (_, i) => instance.exports[`k${i}`] as KernelFunction);
}

/** A thread's life: it never returns. */
function serve(start: ThreadStart, post: (answer: ThreadAnswer) => void): void {
  const control = controlIn(start.memory, start.threads, start.tasks.length);
  const kernels = kernelsOf(new WebAssembly.Instance(start.module, { moeut: { memory: start.memory } }), start.kernels);
  let number = 0;
  for (;;) {
    const run = nextRun(control.run, number);
    number = run.number;
    const answer = walk(start, control, kernels, run, Infinity);
    if (answer !== null) post(answer);
  }
}

/** Waits for another run than the last one. */
function nextRun(words: Int32Array, last: number): Run {
  for (;;) {
    const number = Atomics.load(words, 0);
    const [from, to, offset] = [Atomics.load(words, 1), Atomics.load(words, 2), Atomics.load(words, 3)];
    const isWhole = number % 2 === 0 && Atomics.load(words, 0) === number;
    if (isWhole && number !== last) return { number, from, to, offset };
    if (isWhole || number % 2 !== 0) Atomics.wait(words, 0, number);
  }
}

/**
 * Does units until none is left to take, or the time is `until`. A unit is taken only when it may begin: a thread that sleeps holds none.
 * @returns what there is to tell: that this thread did the last unit of the run, or that a kernel failed
 */
export function walk(
  { tasks, scratch, thread }: Pick<ThreadStart, "tasks" | "scratch" | "thread">, control: Control, kernels: readonly KernelFunction[],
  run: Run, until: number,
): ThreadAnswer | null {
  const { taken, done, sleepers, ends, busy } = control;
  const end = tasks[run.to - 1]!.nextStage;
  let [at, now] = [run.from, performance.now()];
  while (at < run.to && now < until) {
    const task = tasks[at]!;
    const count = Atomics.load(taken, 0);
    const unit = (count - run.offset - task.first) | 0;
    const seen = Atomics.load(done, 0);
    if (unit >= task.units) at++;
    else if (((seen - run.offset - task.stage) | 0) < 0) waitFor(done, seen, sleepers);
    else if (Atomics.compareExchange(taken, 0, count, (count + 1) | 0) === count) {
      const began = performance.now();
      const failure = runUnit(task, unit, kernels, scratch);
      if (failure !== null) return failure;
      now = performance.now();
      busy[8 * thread]! += now - began;
      const finished = (Atomics.add(done, 0, 1) + 1 - run.offset) | 0;
      if (finished === task.nextStage) ends[at] = performance.timeOrigin + now;
      if (finished === end) return { finished: true };
      // This thread goes on with one unit of the next stage itself.
      if (finished === task.nextStage && task.nextUnits > 1 && Atomics.load(sleepers, 0) > 0) Atomics.notify(done, 0, task.nextUnits - 1);
    }
  }
  return null;
}

/** Until `word` is no longer what was seen: a moment awake, because most stages are short, then asleep. Only the end of a stage wakes. */
function waitFor(word: Int32Array, seen: number, sleepers: Int32Array): void {
  for (let i = 0; i < 5000; i++) if (Atomics.load(word, 0) !== seen) return; // about 10 µs
  Atomics.add(sleepers, 0, 1);
  Atomics.wait(word, 0, seen);
  Atomics.sub(sleepers, 0, 1);
}

/** @returns what failed, or null */
function runUnit({ calls, units }: Task, unit: number, kernels: readonly KernelFunction[], scratch: number): ThreadAnswer | null {
  for (const { kernel, sizes, groups, buffers } of calls) {
    const [first, end] = [Math.floor((groups * unit) / units), Math.floor((groups * (unit + 1)) / units)];
    try {
      kernels[kernel]!(sizes, scratch, first, end, ...buffers);
    } catch (error) {
      return { failed: kernel, message: String(error) };
    }
  }
  return null;
}

/** The text of a thread: a global `serve`, whatever bundlers call these functions. */
export const THREAD_TEXT: string = [nextRun, walk, waitFor, runUnit, controlIn, kernelsOf, `globalThis.serve = ${serve};`].join("\n");
