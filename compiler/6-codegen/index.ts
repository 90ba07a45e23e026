/** LaunchPlan → KernelPlan: writes the kernels, and folds grids into workgroups. Decides nothing about a model. */
import type { LaunchPlan, PlannedLaunch, Work } from "../ir/launch.ts";
import type { Dispatch, Kernel, KernelPlan, Profile } from "../ir/plan.ts";
import { kernelText, workgroupsFor } from "../kernels/text.ts";
import { kernelOf } from "./kernel.ts";

export function writeKernels(plan: LaunchPlan): KernelPlan {
  const kernels: Kernel[] = [];
  const indexOf = createIndex(plan.profile, kernels);
  const dispatch = ({ work, sizes, grid, buffers, label, origin, fused }: PlannedLaunch): Dispatch =>
    ({ kernel: indexOf(work), buffers, sizes: [...sizes, ...grid], workgroups: workgroupsFor(grid), label, origin, fused });
  const entries = Object.fromEntries(
    Object.entries(plan.entries).map(([name, launches]) => [name, { dispatches: launches.map(dispatch) }]),
  );
  const { model, profile, buffers, params, tensors, memory } = plan;
  return { model, profile, kernels, buffers, entries, params, tensors, memory };
}

/** Kernels by profile and work: models that are compared have most of theirs in common. */
const written = new Map<string, Map<string, Kernel>>();

/** Kernels with the same text are one kernel; equal names of different texts get a number. Equal work is written once. */
function createIndex(profile: Profile, kernels: Kernel[]): (work: Work) => number {
  const on = JSON.stringify(profile);
  const byWork = written.get(on) ?? new Map<string, Kernel>();
  written.set(on, byWork);
  const byText = new Map<string, number>();
  const named = new Map<string, number>();
  const add = (kernel: Kernel): number => {
    const same = named.get(kernel.name) ?? 0;
    named.set(kernel.name, same + 1);
    return kernels.push(same === 0 ? kernel : { ...kernel, name: `${kernel.name}.${same}` }) - 1;
  };
  return (work) => {
    const key = JSON.stringify(work);
    const kernel = byWork.get(key) ?? kernelText(kernelOf(work, profile));
    byWork.set(key, kernel);
    const index = byText.get(kernel.wgsl) ?? add(kernel);
    byText.set(kernel.wgsl, index);
    return index;
  };
}
