/** Compiles a model for the adapter at hand and loads it. */
import { compileModel, isCausal, type CompileOptions } from "../compiler/compile.ts";
import { profileFor } from "../compiler/5-plan/index.ts";
import type { KernelPlan, Profile } from "../compiler/ir/plan.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { routerSites } from "../compiler/stack/routers.ts";
import { assemble } from "../compiler/wasm/index.ts";
import { openAdapter as open, type AdapterHandle, type AdapterInfo } from "../runtime/adapter/index.ts";
import { UserError } from "../runtime/errors.ts";
import type { Session } from "../runtime/session.ts";
import type { Executor } from "../runtime/standalone/types.ts";
import { requireFit } from "./fit.ts";

export interface PlanOptions extends Omit<CompileOptions, "profile"> {
  /** Does the planning, which may take seconds and does not wait: to a command, a time to hear signals in another way. */
  readonly during?: <T>(plan: () => T) => T;
}

export interface PlannedSession extends Session {
  readonly plan: KernelPlan;
}

export const profileOf = ({ kind, subgroupMin, subgroupMax }: AdapterInfo): Profile =>
  profileFor({ kind, subgroups: subgroupMax > 0, subgroupMin, subgroupMax });

export interface AdapterChoice {
  /** A kind, or a part of an adapter's name. Default: MOEUT_ADAPTER, else the best there is. */
  readonly adapter?: string | undefined;
  /** Of the adapter cpu. Default: one for each core. */
  readonly threads?: number | undefined;
}

/** Also the null adapter. UserError for threads of an adapter that has none. */
export const openAnyAdapter = ({ adapter, threads }: AdapterChoice): Promise<AdapterHandle> => open({ adapter, threads, assemble });

/** The adapter that executes. UserError for the null adapter, which does not. */
export async function openAdapter(choice: AdapterChoice): Promise<AdapterHandle> {
  const handle = await openAnyAdapter(choice);
  if (handle.info.kind !== "null") return handle;
  handle.close();
  throw new UserError("the null adapter checks shaders and executes nothing; choose another with --adapter");
}

/** Opens the adapter that executes, and closes it after `work`. */
export async function withAdapter<T>(choice: AdapterChoice, work: (handle: AdapterHandle) => Promise<T>): Promise<T> {
  const handle = await openAdapter(choice);
  try {
    return await work(handle);
  } finally {
    handle.close();
  }
}

/** As withAdapter, but the device is opened at the first call and, once an error broke it, anew at the next. */
export async function withDevices<T>(choice: AdapterChoice, work: (device: () => Promise<AdapterHandle>) => Promise<T>): Promise<T> {
  let handle: AdapterHandle | null = null;
  const device = async (): Promise<AdapterHandle> => {
    if (handle !== null && handle.firstError() === null) return handle;
    handle?.close();
    return (handle = await openAdapter(choice));
  };
  try {
    return await work(device);
  } finally {
    (handle as AdapterHandle | null)?.close();
  }
}

/** A model as the device will run it; nothing is allocated. UserError if it is too large for it. */
export function planFor(info: AdapterInfo, model: ModelSpec, { during = (plan) => plan(), ...options }: PlanOptions): KernelPlan {
  const plan = during(() => compileModel(model, { ...options, profile: profileOf(info) }));
  requireFit(plan, info);
  return plan;
}

/** Loads a model on a device that stays open when the session is closed. UserError if the model is too large for it. */
export async function loadModel(handle: AdapterHandle, model: ModelSpec, options: PlanOptions): Promise<PlannedSession> {
  if (options.entries.includes("decode") && !isCausal(model)) {
    throw new UserError(`model ${model.name} has attention with \`causal false\`: `
      + "each position sees those behind it, so it cannot generate");
  }
  const plan = planFor(handle.info, model, options);
  const executor = await loadPlan(handle, plan);
  const { kind, name } = handle.info;
  return {
    model, plan, executor, params: plan.params, routers: routerSites(model), memoryBytes: plan.memory.total, adapter: { kind, name },
    close: () => executor.destroy(),
  };
}

/** @param plan made for this device's profile, and not too large for it */
export const loadPlan = async (handle: AdapterHandle, plan: KernelPlan): Promise<Executor> =>
  watched(handle, await watchedCall(handle, () => handle.createExecutor(plan)));

/** As loadModel, with a device of its own. */
export async function openSession(choice: AdapterChoice, model: ModelSpec, options: PlanOptions): Promise<PlannedSession> {
  const handle = await openAdapter(choice);
  try {
    const session = await loadModel(handle, model, options);
    return { ...session, close: () => (session.close(), handle.close()) };
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** What goes wrong on the device outside any promise surfaces in the next call. */
const watched = (handle: AdapterHandle, executor: Executor): Executor => ({
  ...executor,
  write: (name, data) => {
    handle.checkErrors();
    executor.write(name, data);
  },
  read: (name) => watchedCall(handle, () => executor.read(name)),
  run: (entries, reads) => watchedCall(handle, () => executor.run(entries, reads)),
  time: (entry) => watchedCall(handle, () => executor.time(entry)),
  firstNonFinite: (entry) => watchedCall(handle, () => executor.firstNonFinite(entry)),
});

/** The first error of a device explains those that follow from it. */
async function watchedCall<T>(handle: AdapterHandle, call: () => Promise<T>): Promise<T> {
  try {
    const result = await call();
    handle.checkErrors();
    return result;
  } catch (error) {
    throw handle.firstError() ?? error;
  }
}
