/** The stack algebra: which layer's weights are used where in depth. */
import { nearest, type Reporter } from "../diagnostics/index.ts";
import type { NameAst, RepeatAst, SequenceAst } from "../ir/ast.ts";
import type { Span } from "../ir/source.ts";
import { MAX_DEPTH } from "../stack/passes.ts";
import { layersIn, STACK_FUNCTIONS } from "../stack/text.ts";

/** One application of a layer; `copy` numbers the copies that `own` made of it, null for the shared weights. */
export interface Application {
  readonly layer: string;
  readonly copy: number | null;
}

/** A stack unrolled. */
export interface Expanded {
  readonly applications: readonly Application[];
  /** The applications inside `core(…)`; null where the stack has none. */
  readonly core: CoreRange | null;
}

export interface CoreRange {
  readonly span: Span;
  readonly first: number;
  /** Applications in one pass. */
  readonly length: number;
  readonly passes: number;
}

/**
 * Checks names and numbers, then unrolls. Null if something is wrong (reported).
 * @param uncertain the list of layers is known to be incomplete: names that are not in it are nobody's mistake
 */
export function expandStack(sequence: SequenceAst, layers: readonly string[], uncertain: boolean, report: Reporter): Expanded | null {
  const depth = checkSequence(sequence, uncertain ? [...layers, ...layersIn(sequence)] : layers, report);
  const oneCore = checkCores(sequence, report);
  if (depth !== null && depth > MAX_DEPTH) report.report("stack-too-deep", sequence.span, { limit: MAX_DEPTH });
  if (depth === null || depth > MAX_DEPTH || !oneCore || uncertain) return null;
  const copies = {};
  const parts = sequence.items.map((item) => ({ item, applications: unroll({ ...sequence, items: [item] }, false, copies) }));
  return { applications: parts.flatMap((part) => part.applications), core: coreIn(parts) };
}

function coreIn(parts: readonly { readonly item: RepeatAst; readonly applications: readonly Application[] }[]): CoreRange | null {
  const at = parts.findIndex(({ item }) => isCore(item));
  if (at < 0) return null;
  const { item, applications } = parts[at]!;
  const first = parts.slice(0, at).reduce((sum, part) => sum + part.applications.length, 0);
  const passes = item.times?.value ?? 1;
  return { span: item.span, first, length: applications.length / passes, passes };
}

const isCore = ({ item }: RepeatAst): boolean => item.kind === "group" && item.function?.text === "core";

/** One core at most, and not as a part of something that is repeated itself; false (reported) otherwise. */
function checkCores(sequence: SequenceAst, report: Reporter): boolean {
  const [, ...others] = sequence.items.filter(isCore);
  const inner = sequence.items.flatMap(({ item }) => (item.kind === "group" ? coresIn(item.sequence) : []));
  for (const { span } of [...others, ...inner]) report.report("misplaced-core", span, { nested: inner.some((core) => core.span === span) });
  return others.length + inner.length === 0;
}

const coresIn = (sequence: SequenceAst): readonly RepeatAst[] => sequence.items.flatMap((repeat) => {
  const inner = repeat.item.kind === "group" ? coresIn(repeat.item.sequence) : [];
  return isCore(repeat) ? [repeat, ...inner] : inner;
});

/** The number of applications, or null (reported). */
function checkSequence(sequence: SequenceAst, layers: readonly string[], report: Reporter): number | null {
  const depths = sequence.items.map((item) => checkRepeat(item, layers, report));
  return depths.reduce((sum, depth) => (sum === null || depth === null ? null : sum + depth), 0);
}

function checkRepeat({ item, times }: RepeatAst, layers: readonly string[], report: Reporter): number | null {
  const repeats = times === null || (Number.isInteger(times.value) && times.value >= 1);
  if (!repeats) report.report("bad-repetition", times.span, { text: times.text });
  const once = item.kind === "layer" ? checkName(item.name, layers, report) : checkGroup(item, layers, report);
  return once === null || !repeats ? null : once * (times?.value ?? 1);
}

function checkName({ text, span }: NameAst, layers: readonly string[], report: Reporter): number | null {
  if (layers.includes(text)) return 1;
  report.report("unknown-layer", span, { name: text, nearest: nearest(text, layers), choices: layers });
  return null;
}

function checkGroup(group: Extract<RepeatAst["item"], { kind: "group" }>, layers: readonly string[], report: Reporter): number | null {
  const depth = checkSequence(group.sequence, layers, report);
  if (group.function === null || STACK_FUNCTIONS.includes(group.function.text)) return depth;
  report.report("unknown-stack-function", group.function.span, { name: group.function.text });
  return null;
}

function unroll(sequence: SequenceAst, owned: boolean, copies: Record<string, number>): Application[] {
  return sequence.items.flatMap(({ item, times }) => {
    const once = (): Application[] => {
      if (item.kind === "group") return unroll(item.sequence, owned || item.function?.text === "own", copies);
      const layer = item.name.text;
      if (!owned) return [{ layer, copy: null }];
      copies[layer] = (copies[layer] ?? -1) + 1;
      return [{ layer, copy: copies[layer] }];
    };
    return Array.from({ length: times?.value ?? 1 }, once).flat();
  });
}
