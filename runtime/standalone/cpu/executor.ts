/** Runs a plan on the processor: its kernels as WebAssembly, by threads over one memory. Everything is created here, once. */
import { pack, product } from "../layout.ts";
import { createLife } from "../life.ts";
import type { Dispatch, KernelPlan } from "../plan.ts";
import { entryOf, holdsNonFinite, tensorOf, writtenBy } from "../tensors.ts";
import { createTurns } from "../turns.ts";
import type { Executor } from "../types.ts";
import { hireThreads, workAlone, type Crew, type Failure } from "./crew.ts";
import { createStore, dispatchesOf, layMemory, type MemoryLayout, type Store } from "./memory.ts";
import { availableThreads, compileWasm, createMemory, instantiate, mayShare, type WasmModule } from "./platform.ts";
import { listTasks, type Call, type Range, type TaskList } from "./tasks.ts";
import { controlBytes, controlIn, type Control } from "./walk.ts";

export interface CpuOptions {
  /** Default: one for each core. In a page that is not cross-origin isolated there is one, whatever is asked for. */
  readonly threads?: number | undefined;
  /** Called once if a thread ends without `destroy` having been called. */
  readonly onLost?: ((reason: string) => void) | undefined;
}

/** Parts into which a launch is cut at most: enough that threads end at about the same time, although some are slower. */
const PARTS_PER_THREAD = 8;

/** A plan whose kernels, memory and threads are there. */
interface Machine {
  readonly plan: KernelPlan;
  readonly store: Store;
  readonly list: TaskList;
  readonly crew: Crew;
  readonly control: Control;
}

/**
 * @param wasm a module of the plan's kernels, as bytes or compiled: see compiler/wasm
 * The same bits for any number of threads. An Error for a plan beyond 4 GiB, a RangeError from the engine if it cannot have the memory.
 * Once a kernel failed or a thread was lost, every call says so.
 */
export async function createCpuExecutor(plan: KernelPlan, wasm: Uint8Array | WasmModule, options: CpuOptions = {}): Promise<Executor> {
  const threads = mayShare() ? options.threads ?? availableThreads() : 1;
  const module = wasm instanceof Uint8Array ? await compileWasm(wasm) : wasm;
  const layout = layMemory(plan, controlBytes(threads, 2 * dispatchesOf(plan).length), threads, scratchBytes(module));
  const store = createStore(plan, layout);
  const list = listTasks(plan, callsIn(layout), mayShare() && threads === 1 ? 1 : PARTS_PER_THREAD * threads);
  const life = createLife();
  const end = (reason: string): void => {
    life.end(reason);
    crew.stop();
  };
  const failed = (failure: Failure): void => {
    const words = wordsOf(failure, plan);
    end(words);
    if ("lost" in failure) options.onLost?.(words);
  };
  const work = { module, memory: store.memory, tasks: list.tasks, kernels: plan.kernels.length, scratch: layout.scratch };
  const crew = (mayShare() ? hireThreads : workAlone)(work, failed);
  const control = controlIn(store.memory, threads, list.tasks.length);
  const machine: Machine = { plan, store, list, crew, control };
  const busy = createMeter(control);
  const turns = createTurns();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => life.during(() => turns.take(act));
  return {
    entries: Object.keys(plan.entries),
    has: (name) => Object.hasOwn(plan.tensors, name),
    shape: (name) => tensorOf(plan, name).shape,
    write: (name, data) => {
      life.check();
      const tensor = tensorOf(plan, name);
      const packed = pack(data, tensor);
      if (turns.isIdle()) return store.write(tensor, packed);
      const copy = packed.slice(); // a run that is under way still reads what was there
      void turns.take(async () => store.write(tensor, copy));
    },
    read: (name) => inTurn(async () => store.read(tensorOf(plan, name))),
    run: (entries, reads = []) => inTurn(async () => {
      const tensors = reads.map((name) => [name, tensorOf(plan, name)] as const);
      for (const { all } of entries.map((entry) => rangesOf(machine, entry))) await runRange(crew, all);
      return Object.fromEntries(tensors.map(([name, tensor]) => [name, store.read(tensor)]));
    }),
    time: (entry) => inTurn(() => timeEntry(machine, entry)),
    busy,
    firstNonFinite: (entry) => inTurn(() => findNonFinite(machine, entry)),
    destroy: () => end("this model was destroyed"),
  };
}

const wordsOf = (failure: Failure, { kernels }: KernelPlan): string => "lost" in failure
  ? `a thread was lost (${failure.lost}); load the model again`
  : `the kernel ${kernels[failure.kernel]!.name} failed: ${failure.message}`;

/** What the module says it needs, which needs a memory to say it. */
const scratchBytes = (module: WasmModule): number =>
  (instantiate(module, createMemory(1)).exports["scratch_bytes"] as { readonly value: number }).value;

const callsIn = ({ buffers, sizesOf }: MemoryLayout) => (d: Dispatch): Call =>
  ({ kernel: d.kernel, sizes: sizesOf(d), groups: product(d.workgroups), buffers: d.buffers.map((b) => buffers[b]!) });

const rangesOf = ({ plan, list }: Machine, entry: string): TaskList["entries"][string] => (entryOf(plan, entry), list.entries[entry]!);

const runRange = async (crew: Crew, [from, to]: Range): Promise<void> => {
  if (to > from) await crew.run(from, to);
};

/** Nanoseconds of each dispatch, one after the other by all threads. */
async function timeEntry(machine: Machine, entry: string): Promise<readonly number[]> {
  const { each } = rangesOf(machine, entry);
  if (each.length === 0) return [];
  const [from, to] = [each[0]![0], each.at(-1)![1]];
  const began = performance.timeOrigin + performance.now();
  await machine.crew.run(from, to);
  const { ends } = machine.control;
  return each.map(([at]) => 1e6 * Math.max(0, ends[at]! - (at === from ? began : ends[at - 1]!)));
}

/** What the busiest thread has done since the last call. */
function createMeter({ busy }: Control): () => number {
  let before = busy.slice();
  return () => {
    const now = busy.slice();
    const most = Math.max(...now.map((milliseconds, i) => milliseconds - before[i]!));
    before = now;
    return most;
  };
}

/** Runs an entry dispatch by dispatch and looks at the bits of everything written. */
async function findNonFinite(machine: Machine, entry: string): Promise<string | null> {
  const { plan, store, crew } = machine;
  const { each } = rangesOf(machine, entry);
  plan.buffers.forEach((b, i) => b.kind === "activations" && store.words(i).fill(0)); // what earlier runs left there is not this run's
  for (const [i, dispatch] of plan.entries[entry]!.dispatches.entries()) {
    await runRange(crew, each[i]!);
    if (writtenBy(dispatch, plan).some((buffer) => holdsNonFinite(store.words(buffer)))) return dispatch.label;
  }
  return null;
}
