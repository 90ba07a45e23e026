/** Whether a plan fits a device, before anything is allocated. */
import type { BufferPlan, KernelPlan } from "../compiler/ir/plan.ts";
import type { DeviceInfo } from "../runtime/adapter/index.ts";
import { UserError } from "../runtime/errors.ts";
import { bytes } from "./terminal.ts";

type Limits = Pick<DeviceInfo, "kind" | "name" | "limits">;

/** UserError that names the tensor, what it needs, what there is, and what to do. @param available bytes of free memory of the machine */
export function requireFit(plan: KernelPlan, device: Limits, available: number = process.availableMemory()): void {
  const limit = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
  const largest = plan.buffers.reduce<BufferPlan | null>((most, buffer) => (buffer.bytes > (most?.bytes ?? 0) ? buffer : most), null);
  if (largest !== null && largest.bytes > limit) {
    throw new UserError(`${plan.model} is too large for ${device.name}: ${largest.label} needs ${bytes(largest.bytes)} in one buffer, and the device allows ${bytes(limit)}; ${remedy(largest)}`);
  }
  // Software drivers take the machine's memory and are killed, not refused, when it runs out.
  if (device.kind !== "gpu" && plan.memory.total > available) {
    const most = Object.entries(plan.memory.byKind).sort(([, a], [, b]) => b - a)[0]!;
    throw new UserError(`${plan.model} is too large for this machine: it needs ${bytes(plan.memory.total)} (most of it ${most[0]}, ${bytes(most[1])}), and ${bytes(available)} are free; `
      + "a smaller batch or a larger accumulate needs less for activations, a smaller model less for all");
  }
}

/** Parameters and their like only shrink with the model; the rest shrinks with the batch. */
function remedy({ kind }: BufferPlan): string {
  const isWeight = kind === "parameters" || kind === "gradients" || kind === "optimizer";
  return isWeight ? "choose fewer or smaller experts, a smaller vocab_size or d_model, or a GPU with larger buffers (moeut doctor lists limits)"
    : "choose a smaller batch, a larger accumulate or a shorter seq_len (for instance --set train.accumulate=2), or a GPU with larger buffers (moeut doctor lists limits)";
}
