/** Plan and manifest as JSON that a person can read and a diff can follow: one launch, buffer or tensor per line. */
import { countParams } from "../counts/index.ts";
import { specHash } from "../format/index.ts";
import type { KernelPlan } from "../ir/plan.ts";
import type { Emission } from "./index.ts";

export function planJson(plan: KernelPlan): string {
  const bare = { ...plan, kernels: plan.kernels.map(({ name, access }) => ({ name, access })) };
  return `${layOut(bare, 2)}\n`;
}

/** What is in the folder, for programs: parameters, memory, and where each launch comes from. */
export function manifest({ model, plan, version }: Emission): string {
  const launches = Object.fromEntries(Object.entries(plan.entries).map(([name, entry]) => [name, entry.dispatches.map((d) =>
    ({ kernel: plan.kernels[d.kernel]!.name, computes: d.label, fused: d.fused, from: d.origin.path }))]));
  const { total, active } = countParams(model);
  return `${layOut({
    format: 1, model: model.name, spec_hash: specHash(model), moeut: version, profile: plan.profile,
    parameters: { total, active_per_token: active, tensors: plan.params.map(({ name, shape, official }) => ({ name, shape, official })) },
    memory: plan.memory, launches,
  }, 3)}\n`;
}

/** Objects and arrays are spread over lines down to `depth`; what lies deeper stays on its line. */
function layOut(value: unknown, depth: number, indent = ""): string {
  if (depth === 0 || typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((item) => layOut(item, depth - 1, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${layOut(item, depth - 1, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return items.length === 0 ? `${open}${close}` : `${open}\n${items.map((item) => inner + item).join(",\n")}\n${indent}${close}`;
}
