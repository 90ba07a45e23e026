/** Whether a plan fits a device, before anything is allocated. */
import { readFileSync } from "node:fs";
import type { KernelPlan } from "../compiler/ir/plan.ts";
import type { AdapterInfo } from "../runtime/adapter/index.ts";
import { UserError } from "../runtime/errors.ts";
import { bindingKey, planProblems, type PlanProblem } from "../runtime/standalone/limits.ts";
import { bytes } from "../runtime/units.ts";

type Limits = Pick<AdapterInfo, "kind" | "name" | "limits">;

/** What the machine has left for a software driver. */
interface MachineLimits {
  /** Bytes of free memory. */
  readonly memory: number;
  /** Pieces of memory that one process may map. */
  readonly maps: number;
}

const machineLimits = (): MachineLimits => ({ memory: process.availableMemory(), maps: maxMaps() });

/** UserError that names the tensor, what it needs, what there is, and what to do. */
export function requireFit(plan: KernelPlan, device: Limits, machine: MachineLimits = machineLimits()): void {
  const [problem] = planProblems(plan, device.limits, bytes);
  if (problem !== undefined) throw new UserError(`${plan.model} is too large for ${device.name}: ${problem.text}; ${remedy(problem)}`);
  if (device.kind === "lavapipe") requireMaps(plan, machine.maps);
  // Software drivers take the machine's memory and are killed, not refused, when it runs out.
  if (device.kind !== "gpu" && plan.memory.total > machine.memory) {
    const most = Object.entries(plan.memory.byKind).sort(([, a], [, b]) => b - a)[0]!;
    const needs = `it needs ${bytes(plan.memory.total)} (most of it ${most[0]}, ${bytes(most[1])}), and ${bytes(machine.memory)} are free`;
    throw new UserError(`${plan.model} is too large for this machine: ${needs}; `
      + "a smaller batch or a larger accumulate needs less for activations, a smaller model less for all");
  }
}

/** Of what a process may map, what is left for other things. */
const OTHER_MAPS = 8_000;

/** Lavapipe maps a piece of memory for every bind group, and ends the process when it gets none. */
function requireMaps({ model, entries, buffers }: KernelPlan, maps: number): void {
  const groups = new Set(Object.values(entries).flatMap(({ dispatches }) => dispatches.map(bindingKey)));
  const needed = groups.size + buffers.length;
  if (needed <= maps - OTHER_MAPS) return;
  throw new UserError(
    `${model} is too deep for lavapipe on this machine: it needs ${needed} pieces of memory, and a process may map ${maps} `
    + "(sysctl vm.max_map_count raises that); choose fewer layers or passes, or another adapter");
}

function maxMaps(): number {
  try {
    return Number(readFileSync("/proc/sys/vm/max_map_count", "utf8"));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Parameters and their like only shrink with the model; the rest shrinks with the batch. */
function remedy({ buffer }: PlanProblem): string {
  const isWeight = buffer !== null && ["parameters", "gradients", "optimizer"].includes(buffer.kind);
  const smaller = isWeight ? "choose fewer or smaller experts, a smaller vocab_size or d_model"
    : "choose a smaller batch, a larger accumulate or a shorter seq_len (for instance --set train.accumulate=2)";
  return `${smaller}, or a GPU with larger buffers (moeut doctor lists limits)`;
}
