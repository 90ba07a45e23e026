/** Whether a plan fits a device, before anything is allocated. */
import type { KernelPlan } from "../compiler/ir/plan.ts";
import type { DeviceInfo } from "../runtime/adapter/index.ts";
import { UserError } from "../runtime/errors.ts";
import { planProblems, type PlanProblem } from "../runtime/standalone/limits.ts";
import { bytes } from "../runtime/units.ts";

type Limits = Pick<DeviceInfo, "kind" | "name" | "limits">;

/** UserError that names the tensor, what it needs, what there is, and what to do. @param available bytes of free memory of the machine */
export function requireFit(plan: KernelPlan, device: Limits, available: number = process.availableMemory()): void {
  const [problem] = planProblems(plan, device.limits, bytes);
  if (problem !== undefined) throw new UserError(`${plan.model} is too large for ${device.name}: ${problem.text}; ${remedy(problem)}`);
  // Software drivers take the machine's memory and are killed, not refused, when it runs out.
  if (device.kind !== "gpu" && plan.memory.total > available) {
    const most = Object.entries(plan.memory.byKind).sort(([, a], [, b]) => b - a)[0]!;
    throw new UserError(`${plan.model} is too large for this machine: it needs ${bytes(plan.memory.total)} (most of it ${most[0]}, ${bytes(most[1])}), and ${bytes(available)} are free; `
      + "a smaller batch or a larger accumulate needs less for activations, a smaller model less for all");
  }
}

/** Parameters and their like only shrink with the model; the rest shrinks with the batch. */
function remedy({ buffer }: PlanProblem): string {
  const isWeight = buffer !== null && ["parameters", "gradients", "optimizer"].includes(buffer.kind);
  return isWeight ? "choose fewer or smaller experts, a smaller vocab_size or d_model, or a GPU with larger buffers (moeut doctor lists limits)"
    : "choose a smaller batch, a larger accumulate or a shorter seq_len (for instance --set train.accumulate=2), or a GPU with larger buffers (moeut doctor lists limits)";
}
