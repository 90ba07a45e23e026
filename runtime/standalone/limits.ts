/** Whether a device can hold and launch what a plan asks for, by the plan's numbers alone: nothing is allocated. */
import type { BufferKind, BufferPlan, Dispatch, KernelPlan } from "./plan.ts";

/** The limits that a plan can exceed; workgroups themselves stay within what every WebGPU device guarantees. */
export interface PlanLimits {
  readonly maxBufferSize: number; // bytes
  readonly maxStorageBufferBindingSize: number; // bytes
  readonly maxUniformBufferBindingSize: number; // bytes
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  /** Bytes of all buffers together, where they lie in one memory. */
  readonly maxTotalSize?: number;
}

export interface PlanProblem {
  /** "embedding needs 5368709120 bytes in one buffer, and the device allows 2147483647" */
  readonly text: string;
  /** What is too large, or has the greatest part in it, if it is a buffer. */
  readonly buffer: BufferPlan | null;
}

/** What a bind group is made of: launches with equal keys share one. */
export const bindingKey = ({ kernel, buffers, sizes }: Dispatch): string => [kernel, ...buffers, "", ...sizes].join();

/** Bytes that kernels can address: they count words in u32, some of them four at a time. */
const ADDRESSABLE = 2 ** 32;

/**
 * Everything in which a plan exceeds the limits: buffers, the largest first, then launches.
 * @param show writes a number of bytes
 */
export function planProblems(
  plan: KernelPlan, limits: PlanLimits, show: (bytes: number) => string = (n) => `${n} bytes`,
): readonly PlanProblem[] {
  const allowed = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize, ADDRESSABLE);
  const tooLarge = plan.buffers.filter((b) => b.bytes > allowed).sort((a, b) => b.bytes - a.bytes);
  const bindings = plan.kernels.reduce((most, k) => Math.max(most, k.access.length), 0);
  const maxBindings = limits.maxStorageBuffersPerShaderStage;
  const needs = ({ label, bytes }: BufferPlan): string =>
    `${label} needs ${show(bytes)} in one buffer, and the device allows ${show(allowed)}`;
  const tooMany = `kernels bind ${bindings} storage buffers, and the device allows ${maxBindings}`;
  return [
    ...tooLarge.map((buffer) => ({ text: needs(buffer), buffer })),
    ...totalProblems(plan, limits.maxTotalSize ?? Infinity, show),
    ...(bindings > maxBindings ? [{ text: tooMany, buffer: null }] : []),
    ...Object.values(plan.entries).flatMap(({ dispatches }) => dispatches.flatMap((d) => launchProblems(d, limits))),
  ];
}

function totalProblems({ memory, buffers }: KernelPlan, allowed: number, show: (bytes: number) => string): readonly PlanProblem[] {
  if (memory.total <= allowed) return [];
  const [kind, most] = (Object.entries(memory.byKind) as [BufferKind, number][]).sort(([, a], [, b]) => b - a)[0]!;
  const text = `it needs ${show(memory.total)} in all, most of it ${kind} (${show(most)}), and the device allows ${show(allowed)}`;
  return [{ text, buffer: buffers.find((b) => b.kind === kind)! }];
}

function launchProblems({ label, sizes, workgroups }: Dispatch, limits: PlanLimits): readonly PlanProblem[] {
  const [maxGroups, maxSizes] = [limits.maxComputeWorkgroupsPerDimension, limits.maxUniformBufferBindingSize];
  const problems = [
    workgroups.every((n) => n <= maxGroups) ? ""
      : `needs ${workgroups.join(" × ")} workgroups, and the device allows ${maxGroups} in a dimension`,
    sizes.every((n) => n < 2 ** 32) ? "" : `counts to ${Math.max(...sizes)}, and kernels count below 2³²`,
    4 * sizes.length <= maxSizes ? "" : `needs ${4 * sizes.length} bytes of sizes, and the device allows ${maxSizes}`,
  ];
  return problems.filter((problem) => problem !== "").map((problem) => ({ text: `${label} ${problem}`, buffer: null }));
}
