/** A plan as a listing: buffers, then for each entry one line a launch: `12  matmul_nt  4 × 64  b7 b12 → b40  matmul a.attention.q`. */
import type { Dispatch, EntryPlan, KernelPlan } from "../ir/plan.ts";
import { numberText } from "../ir/number-text.ts";
import { columns } from "./columns.ts";

export function listPlan(plan: KernelPlan): string {
  const { model, profile, kernels, buffers, memory, entries } = plan;
  const rows = buffers.map(({ label, kind, bytes, table }, i) =>
    [`b${i}`, kind, `${numberText(bytes)} bytes`, `${label}${table === null ? "" : ", made on the host"}`]);
  const heading = `plan of ${model}, ${profile.name} kernels: ${kernels.length} kernels, `
    + `${buffers.length} buffers of ${numberText(memory.total)} bytes\n\n`;
  return [heading, columns(rows, [8, 12, 20]), ...Object.entries(entries).map(([name, entry]) => entryText(plan, name, entry))].join("");
}

function entryText(plan: KernelPlan, name: string, { dispatches }: EntryPlan): string {
  const rows = dispatches.map((d, i) => [`${i}`, plan.kernels[d.kernel]!.name, gridText(d), operandsText(plan, d), workText(d)]);
  return `\nentry ${name}: ${dispatches.length} launches\n${columns(rows, [8, 24, 16, 40])}`;
}

/** Workgroups, without dimensions of one at the end. */
const gridText = ({ workgroups: [x, y, z] }: Dispatch): string => (z > 1 ? `${x} × ${y} × ${z}` : y > 1 ? `${x} × ${y}` : `${x}`);

/** What it reads → what it writes. */
function operandsText({ kernels }: KernelPlan, { kernel, buffers }: Dispatch): string {
  const { access } = kernels[kernel]!;
  const those = (how: string): string => buffers.filter((_, i) => access[i] === how).map((b) => `b${b}`).join(" ");
  return `${those("read")} → ${those("read_write")}`.trim();
}

const workText = ({ label, fused }: Dispatch): string => {
  const others = fused.filter((name) => !label.split(", ").includes(name));
  return others.length === 0 ? label : `${label}, with ${others.join(", ")}`;
};
