/** What a command sees of the adapter that executes: it makes executors of plans, whatever it is. */
import type { PlanLimits } from "../standalone/limits.ts";
import type { KernelPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";
import type { AdapterKind } from "./choose.ts";

export interface AdapterInfo {
  readonly kind: AdapterKind;
  readonly name: string;
  /** Why this adapter was chosen: one sentence. */
  readonly why: string;
  /** Smallest and greatest subgroup size; 0 and 0 if it has none. */
  readonly subgroupMin: number;
  readonly subgroupMax: number;
  /** What a plan must keep to. */
  readonly limits: PlanLimits;
  /** More about it, for people. */
  readonly facts: Readonly<Record<string, string>>;
}

export interface LossOption {
  /** Called once if the adapter is lost without `close` having been called. */
  readonly onLost?: ((error: Error) => void) | undefined;
}

export interface AdapterHandle {
  readonly info: AdapterInfo;
  /** @param plan within the limits, for a profile that suits the adapter */
  createExecutor(plan: KernelPlan): Promise<Executor>;
  /** The first error that no call reported, or null. */
  firstError(): Error | null;
  /** Throws the first error: an EnvironmentError if the machine is at fault. Call after each submission was waited for. */
  checkErrors(): void;
  close(): void;
}
