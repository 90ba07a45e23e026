/** Devices and executors for tests: every adapter of this machine that computes, and graphs run on it. */
import { compileModel, type CompileOptions } from "../../compiler/compile.ts";
import { CPU, createPlanner, PORTABLE, profileFor } from "../../compiler/5-plan/index.ts";
import { writeKernels } from "../../compiler/6-codegen/index.ts";
import type { OpGraph } from "../../compiler/ir/graph.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { KernelPlan, Profile } from "../../compiler/ir/plan.ts";
import { choicesFrom, type AdapterKind } from "../../runtime/adapter/choose.ts";
import { findAdapters, requestOf } from "../../runtime/adapter/find.ts";
import { openAdapter } from "../../api/session.ts";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import type { Executor, HostArray } from "../../runtime/standalone/types.ts";

const { candidates } = await findAdapters(undefined);

/** Kinds of adapters that execute, best first; MOEUT_ADAPTER restricts them to one. */
export const ADAPTERS: readonly AdapterKind[] = [...new Set(choicesFrom(candidates, requestOf(undefined)).map(({ candidate }) => candidate.kind))];
/** Where the bulk of a suite runs: no driver has to compile anything for the processor. */
export const MAIN: AdapterKind = ADAPTERS.includes("cpu") ? "cpu" : ADAPTERS[0]!;
/** Where a few cases must agree. */
export const OTHERS = ADAPTERS.filter((kind) => kind !== MAIN);
/**
 * Where kernels show that they are right as WGSL, to an implementation of WebGPU: SwiftShader compiles them fastest and is on every Linux
 * machine. A list, because MOEUT_ADAPTER=cpu leaves none.
 */
export const WEBGPU: readonly AdapterKind[] = [OTHERS.find((kind) => kind === "swiftshader") ?? OTHERS[0] ?? MAIN]
  .filter((kind) => kind !== "cpu");

const open = new Map<AdapterKind, Promise<AdapterHandle>>();

/** One device per kind for the whole process, as in a program. */
export function deviceOf(kind: AdapterKind): Promise<AdapterHandle> {
  const handle = open.get(kind) ?? openAdapter({ adapter: kind });
  open.set(kind, handle);
  return handle;
}

export function ownProfile({ info }: AdapterHandle): Profile {
  return profileFor({ kind: info.kind, subgroups: info.subgroupMax > 0, subgroupMin: info.subgroupMin, subgroupMax: info.subgroupMax });
}

/** The adapter's own shapes, the portable ones, its own with a team per row (what GPUs use), and those of one invocation at a time. */
export const PROFILES: Readonly<Record<"own" | "portable" | "team" | "cpu", (handle: AdapterHandle) => Profile>> = {
  own: ownProfile,
  portable: (handle) => (exchanges(handle) ? PORTABLE : CPU),
  cpu: () => CPU,
  team: (handle) => (exchanges(handle) ? teamProfile(ownProfile(handle)) : CPU),
};

/** Several teams share a contraction's tile: of four, some have no part of a short sum. */
const teamProfile = (own: Profile): Profile => ({ ...own, name: "team", rowOwner: "team", teams: 4 });

/** Whether invocations can hand each other anything: the processor runs one at a time. */
const exchanges = ({ info }: AdapterHandle): boolean => info.kind !== "cpu";

/** Runs `use` with an executor, then frees its buffers; throws what the device reports, and the next test gets another device. */
export async function withExecutor<T>(handle: AdapterHandle, plan: KernelPlan, use: (executor: Executor) => Promise<T>): Promise<T> {
  let executor: Executor | null = null;
  try {
    executor = await handle.createExecutor(plan);
    const result = await use(executor);
    handle.checkErrors();
    return result;
  } finally {
    executor?.destroy();
    if (handle.firstError() !== null) open.delete(handle.info.kind);
  }
}

export const withModel = <T>(
  handle: AdapterHandle, spec: ModelSpec, options: CompileOptions, use: (executor: Executor, plan: KernelPlan) => Promise<T>,
): Promise<T> => {
  const plan = compileModel(spec, { profile: ownProfile(handle), ...options });
  return withExecutor(handle, plan, (executor) => use(executor, plan));
};

export function writeParams(executor: Executor, params: Readonly<Record<string, ArrayLike<number>>>): void {
  for (const [name, data] of Object.entries(params)) executor.write(`param/${name}`, Float32Array.from(data));
}

/** Numbers that float32 holds exactly, so that a float64 reference starts from the same ones. */
export const rounded = (params: Readonly<Record<string, ArrayLike<number>>>): Record<string, Float64Array> =>
  Object.fromEntries(Object.entries(params).map(([name, data]) => [name, Float64Array.from(data, Math.fround)]));

export interface GraphRun {
  readonly params: Readonly<Record<string, ArrayLike<number>>>;
  readonly inputs?: Readonly<Record<string, ArrayLike<number>>>;
  /** Graph outputs to read. */
  readonly outputs?: readonly string[];
  readonly unfused?: boolean;
}

/** Plans one graph by itself, runs it once from zero gradients, and returns its outputs and gradients by name. */
export async function runGraph(
  handle: AdapterHandle, profile: Profile, graph: OpGraph, run: GraphRun,
): Promise<{ readonly outputs: Readonly<Record<string, HostArray>>; readonly grads: Readonly<Record<string, HostArray>> }> {
  const { params, inputs = {}, outputs = [], unfused = false } = run;
  const plan = writeKernels(createPlanner("test", [{ graph, outputs }], { update: false, unfused })(profile));
  return withExecutor(handle, plan, async (executor) => {
    writeParams(executor, params);
    for (const [name, data] of Object.entries(inputs)) {
      const tensor = plan.tensors[`${graph.name}/${name}`];
      if (tensor !== undefined) executor.write(
        `${graph.name}/${name}`, tensor.dtype === "u32" ? Uint32Array.from(data) : Float32Array.from(data),
      );
    }
    const names = graph.gradients.map(({ param }) => graph.params[param]!.name);
    const read = await executor.run([graph.name], [...outputs.map((o) => `${graph.name}/${o}`), ...names.map((n) => `grad/${n}`)]);
    return {
      outputs: Object.fromEntries(outputs.map((o) => [o, read[`${graph.name}/${o}`]!])),
      grads: Object.fromEntries(names.map((n) => [n, read[`grad/${n}`]!])),
    };
  });
}

/**
 * Gradients and running losses back to zero, weights and moments left as they are: an update with rate 0 to which the new gradient adds
 * nothing.
 */
export async function clearGradients(executor: Executor): Promise<void> {
  executor.write("update", Float32Array.of(0, 0, 0, 1, 0, 0, 1, 1));
  await executor.run(["update"]);
}

/** ‖got − want‖₂ / ‖want‖₂ */
export function relativeDistance(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    difference += (got[i]! - want[i]!) ** 2;
    size += want[i]! ** 2;
  }
  return Math.sqrt(difference / (size || 1));
}
