/** Plans and manifest as JSON that a person can read and a diff can follow: one launch, buffer or tensor per line. */
import { countParams } from "../counts/index.ts";
import { specHash } from "../format/index.ts";
import type { Dispatch, KernelPlan } from "../ir/plan.ts";
import type { SourceText, Span } from "../ir/source.ts";
import type { Emission } from "./emission.ts";

/** With its kernels' text. Spans are left to the manifest, which gives them as lines: a plan does not depend on where the spec lies. */
export function planJson(plan: KernelPlan): string {
  const entries = Object.fromEntries(Object.entries(plan.entries).map(([name, { dispatches }]) =>
    [name, { dispatches: dispatches.map((d) => ({ ...d, origin: { ...d.origin, span: null } })) }]));
  const parts = Object.entries({ ...plan, entries }).map(([key, value]) =>
    `  ${JSON.stringify(key)}: ${layOut(value, key === "entries" ? 3 : 1, "  ")}`);
  return `{\n${parts.join(",\n")}\n}\n`;
}

/** What is in the folder, for programs: files, parameters, memory, and where each launch comes from. */
export function manifest({ model, plan, cpu, version, sources }: Emission, files: readonly string[]): string {
  const launchOf = ({ kernel, label, fused, origin }: Dispatch) =>
    ({ kernel: plan.kernels[kernel]!.name, computes: label, fused, from: origin.path, at: placeOf(origin.span, sources) });
  const launches = Object.fromEntries(Object.entries(plan.entries).map(([name, { dispatches }]) => [name, dispatches.map(launchOf)]));
  const { total, active } = countParams(model);
  return `${layOut({
    format: 1, language: LANGUAGE, model: model.name, spec_hash: specHash(model), moeut: version, profile: plan.profile,
    parameters: { total, active_per_token: active, tensors: plan.params.map(({ name, shape, official }) => ({ name, shape, official })) },
    memory: plan.memory, cpu_memory: cpu.memory, files, launches,
  }, 3)}\n`;
}

/** Version of the spec language: the number in `moeut 1`. */
const LANGUAGE = 1;

/** "tiny.moeut:12", or null for what no line of a file says. */
function placeOf(span: Span | null, sources: readonly SourceText[]): string | null {
  const source = sources.find(({ file }) => file === span?.file);
  if (span === null || source === undefined) return null;
  return `${source.file.split(/[\\/]/).at(-1)}:${source.text.slice(0, span.start).split("\n").length}`;
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
