/** Who does the work: threads that sleep between runs or, where memory cannot be shared, the calling thread. */
import { instantiate, startThread, type Thread, type WasmMemory, type WasmModule } from "./platform.ts";
import type { Task } from "./tasks.ts";
import { createWake } from "./wake.ts";
import { controlIn, kernelsOf, THREAD_TEXT, walk, type Control, type Run, type ThreadAnswer, type ThreadStart } from "./walk.ts";

export interface Work {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  readonly kernels: number;
  readonly tasks: readonly Task[];
  /** Addresses, one for each thread. */
  readonly scratch: readonly number[];
}

export interface Crew {
  /** Does the tasks from … to, at least one. One run at a time. Rejects if the crew is stopped meanwhile. */
  run(from: number, to: number): Promise<void>;
  stop(): void;
}

export type Failure = { readonly kernel: number; readonly message: string } | { readonly lost: string };

/** @param failed called when a kernel fails or a thread is lost, also between runs, as long as the crew is not stopped; it cannot go on */
export function hireThreads(work: Work, failed: (failure: Failure) => void): Crew {
  const control = controlIn(work.memory, work.scratch.length, work.tasks.length);
  let stopped = false;
  let pending: { readonly finish: () => void; readonly abandon: (error: Error) => void } | null = null;
  const fail = (failure: Failure): void => {
    if (!stopped) failed(failure);
  };
  const hear = (answer: ThreadAnswer): void => {
    if ("finished" in answer) pending?.finish();
    else fail({ kernel: answer.failed, message: answer.message });
  };
  const wake = createWake(work.scratch.length);
  const threads = work.scratch.map((scratch, thread, { length }) =>
    threadFor({ ...work, scratch, thread, threads: length }, hear, (lost) => fail({ lost })));
  return {
    run: async (from, to) => {
      if (stopped) throw new Error("stopped");
      threads[0]!.keepAlive(true);
      const [began, woken] = [performance.now(), wake.next(from)];
      await new Promise<void>((finish, abandon) => {
        pending = { finish, abandon };
        publish(control, from, to, work.tasks, woken);
      }).finally(() => threads[0]!.keepAlive(false));
      wake.took(from, woken, performance.now() - began);
    },
    stop: () => {
      stopped = true;
      threads.forEach((thread) => thread.stop());
      pending?.abandon(new Error("stopped"));
    },
  };
}

function threadFor(start: ThreadStart, hear: (answer: ThreadAnswer) => void, lost: (reason: string) => void): Thread {
  const { module, memory, kernels, tasks, scratch, thread, threads } = start;
  const started = startThread(THREAD_TEXT, { message: (data) => hear(data as ThreadAnswer), lost });
  started.post({ module, memory, kernels, tasks, scratch, thread, threads } satisfies ThreadStart);
  return started;
}

/** Milliseconds after which the calling thread lets others have their turn. */
const TURN = 50;

/** As hireThreads, by the calling thread. */
export function workAlone(work: Work, failed: (failure: Failure) => void): Crew {
  const control = controlIn(work.memory, work.scratch.length, work.tasks.length);
  const kernels = kernelsOf(instantiate(work.module, work.memory), work.kernels);
  const start = { tasks: work.tasks, scratch: work.scratch[0]!, thread: 0 };
  let stopped = false;
  return {
    run: async (from, to) => {
      const run = publish(control, from, to, work.tasks);
      for (;;) {
        if (stopped) throw new Error("stopped");
        const answer = walk(start, control, kernels, run, performance.now() + TURN);
        if (answer !== null && "finished" in answer) return;
        if (answer !== null) failed({ kernel: answer.failed, message: answer.message });
        await new Promise((next) => setTimeout(next));
      }
    },
    stop: () => void (stopped = true),
  };
}

/** Writes the words of a run. All units of the one before are done, so as many are taken as done. */
function publish({ run, done }: Control, from: number, to: number, tasks: readonly Task[], wake = Infinity): Run {
  const number = (Atomics.load(run, 0) + 2) | 0;
  const offset = (Atomics.load(done, 0) - tasks[from]!.first) | 0;
  Atomics.add(run, 0, 1);
  [from, to, offset].forEach((word, i) => Atomics.store(run, i + 1, word));
  Atomics.add(run, 0, 1);
  Atomics.notify(run, 0, wake);
  return { number, from, to, offset };
}
