/** One kernel as a file of its own: what it is part of, what it computes, then its text. */
import type { KernelPlan } from "../ir/plan.ts";

const SHOWN = 4;

/** @param index of the kernel in the plan */
export function kernelText(plan: KernelPlan, index: number, banner: string): string {
  const used = Object.entries(plan.entries)
    .map(([entry, { dispatches }]) => ({ entry, labels: dispatches.filter((d) => d.kernel === index).map((d) => d.label) }))
    .filter(({ labels }) => labels.length > 0);
  const launches = used.map(({ entry, labels }) => (labels.length === 1 ? entry : `${entry} (${labels.length} times)`));
  const labels = [...new Set(used.flatMap((use) => use.labels))];
  const more = labels.length > SHOWN ? [`and ${labels.length - SHOWN} more like these`] : [];
  const { name, wgsl } = plan.kernels[index]!;
  return [
    `// ${name} of ${banner}.`, `// Launched by ${launches.join(", ")}. Computes`,
    ...[...labels.slice(0, SHOWN), ...more].map((label) => `//   ${label}`), "", wgsl,
  ].join("\n");
}
