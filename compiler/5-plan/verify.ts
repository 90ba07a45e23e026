/** Whether a plan is well formed: what the executor and every emitted folder rely on. Runs in every compilation. */
import type { Dispatch, KernelPlan } from "../ir/plan.ts";

/** @returns what is wrong, empty if nothing */
export function verifyPlan(plan: KernelPlan): readonly string[] {
  const entries = Object.entries(plan.entries).flatMap(([name, { dispatches }]) => {
    const where = (d: Dispatch, i: number): string => `launch ${i} of ${name} (${plan.kernels[d.kernel]?.name}: ${d.label})`;
    return [
      ...dispatches.flatMap((d, i) => launchProblems(plan, d).map((problem) => `${where(d, i)} ${problem}`)),
      ...unwrittenReads(plan, dispatches, where),
    ];
  });
  const tensors = Object.entries(plan.tensors).filter(([, t]) => plan.buffers[t.buffer] === undefined)
    .map(([name]) => `tensor ${name} has no buffer`);
  return [...entries, ...tensors];
}

function launchProblems({ kernels, buffers }: KernelPlan, { kernel, buffers: bound, sizes, workgroups }: Dispatch): readonly string[] {
  const { access } = kernels[kernel]!;
  const written = bound.filter((_, i) => access[i] === "read_write");
  return [
    ...(bound.length === access.length ? [] : [`binds ${bound.length} buffers for ${access.length} bindings`]),
    ...bound.filter((b) => buffers[b] === undefined).map((b) => `binds buffer ${b}, which does not exist`),
    ...written.filter((b) => bound.indexOf(b) !== bound.lastIndexOf(b)).map((b) => `writes buffer ${b} and binds it twice`),
    ...(sizes.every(isCount) ? [] : [`has sizes that are no counts: ${sizes.join(", ")}`]),
    ...(workgroups.every((n) => Number.isInteger(n) && n > 0) ? [] : [`has a grid of ${workgroups.join(" × ")}`]),
  ];
}

/** A count may be beyond what a device holds, which is no fault of the plan: see runtime/standalone/limits.ts. */
const isCount = (n: number): boolean => Number.isInteger(n) && n >= 0;

/** Activations live within one run of an entry: somebody must have written what a launch reads. */
function unwrittenReads(
  { kernels, buffers }: KernelPlan, dispatches: readonly Dispatch[], where: (d: Dispatch, i: number) => string,
): readonly string[] {
  const written = new Set<number>();
  return dispatches.flatMap((d, at) => {
    const { access } = kernels[d.kernel]!;
    const unmade = d.buffers.filter((b, i) => access[i] === "read" && buffers[b]?.kind === "activations" && !written.has(b));
    d.buffers.forEach((b, i) => access[i] === "read_write" && written.add(b));
    return unmade.map((b) => `${where(d, at)} reads buffer ${b} before anything is in it`);
  });
}
