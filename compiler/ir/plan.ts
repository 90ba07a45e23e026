/** KernelPlan lives with the code that runs it, because emitted folders contain both. */
export type * from "../../runtime/standalone/plan.ts";
