/** A compiled model on a device, ready to run. Commands make it; training, evaluation and generation only see this. */
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { RouterSite } from "../compiler/stack/routers.ts";
import type { ParamPlan } from "./standalone/plan.ts";
import type { Executor } from "./standalone/types.ts";

export interface Session {
  readonly model: ModelSpec;
  readonly executor: Executor;
  readonly params: readonly ParamPlan[];
  /** Applications of routers, in order of depth. */
  readonly routers: readonly RouterSite[];
  /** Bytes of all buffers on the device. */
  readonly memoryBytes: number;
  readonly adapter: AdapterName;
  close(): void;
}

export interface AdapterName {
  /** "gpu", "lavapipe" or "swiftshader" */
  readonly kind: string;
  readonly name: string;
}
