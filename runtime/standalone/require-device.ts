/** Whether a device can run a plan. A wrong subgroup size would give wrong numbers without any error. */
import { planProblems } from "./limits.ts";
import type { KernelPlan, Profile } from "./plan.ts";

/** Whether kernels of this shape are right only in subgroups of exactly `lanes`. */
export const needsSubgroups = ({ exchange }: Profile): boolean => exchange === "shuffle" || exchange === "broadcast";

/** Throws an Error that says what the device lacks. */
export function requireDevice(device: GPUDevice, plan: KernelPlan): void {
  if (needsSubgroups(plan.profile)) requireSubgroups(device, plan.profile.lanes);
  const [problem] = planProblems(plan, device.limits);
  if (problem !== undefined) throw new Error(`${problem.text}; was the device requested with the limits it needs?`);
}

function requireSubgroups({ features, adapterInfo }: GPUDevice, lanes: number): void {
  if (!features.has("subgroups")) {
    throw new Error('these kernels need the feature "subgroups"; request the device with it, or compile for the target "portable"');
  }
  const { subgroupMinSize: min, subgroupMaxSize: max } = adapterInfo;
  if (min === lanes && max === lanes) return;
  throw new Error(`these kernels are for subgroups of ${lanes} lanes, and this adapter has ${min} to ${max}; `
    + 'compile on it, or for the target "portable"');
}
