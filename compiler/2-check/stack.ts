/** The stack algebra: which layer's weights are used where in depth. */
import { nearest, type Reporter } from "../diagnostics/index.ts";
import type { RepeatAst, SequenceAst } from "../ir/ast.ts";

const MAX_DEPTH = 10_000;

/** One application of a layer; `copy` numbers the copies that `own` made of it, null for the shared weights. */
export interface Application {
  readonly layer: string;
  readonly copy: number | null;
}

/**
 * Checks names and numbers, then unrolls. Null if something is wrong (reported).
 * @param uncertain the list of layers is known to be incomplete: names that are not in it are nobody's mistake
 */
export function expandStack(sequence: SequenceAst, layers: readonly string[], uncertain: boolean, report: Reporter): readonly Application[] | null {
  const mark = report.all.length;
  const depth = checkSequence(sequence, uncertain ? [...layers, ...layersIn(sequence)] : layers, report);
  if (depth > MAX_DEPTH) report.report("stack-too-deep", sequence.span, { limit: MAX_DEPTH });
  return depth > MAX_DEPTH || uncertain || report.hasErrors(mark) ? null : unroll(sequence, false, {});
}

function checkSequence(sequence: SequenceAst, layers: readonly string[], report: Reporter): number {
  return sequence.items.reduce((depth, item) => depth + checkRepeat(item, layers, report), 0);
}

function checkRepeat({ item, times }: RepeatAst, layers: readonly string[], report: Reporter): number {
  if (times !== null && (!Number.isInteger(times.value) || times.value < 1)) report.report("bad-repetition", times.span, { text: times.text });
  if (item.kind === "layer" && !layers.includes(item.name.text)) {
    report.report("unknown-layer", item.name.span, { name: item.name.text, nearest: nearest(item.name.text, layers), choices: layers });
  }
  if (item.kind === "group" && item.function !== null && item.function.text !== "own") {
    report.report("unknown-stack-function", item.function.span, { name: item.function.text });
  }
  return (times?.value ?? 1) * (item.kind === "layer" ? 1 : checkSequence(item.sequence, layers, report));
}

function unroll(sequence: SequenceAst, owned: boolean, copies: Record<string, number>): Application[] {
  return sequence.items.flatMap(({ item, times }) => {
    const once = (): Application[] => {
      if (item.kind === "group") return unroll(item.sequence, owned || item.function !== null, copies);
      const layer = item.name.text;
      if (!owned) return [{ layer, copy: null }];
      copies[layer] = (copies[layer] ?? -1) + 1;
      return [{ layer, copy: copies[layer] }];
    };
    return Array.from({ length: times?.value ?? 1 }, once).flat();
  });
}

/** Canonical text: "(a, b) * 8". Parentheses that say nothing and `* 1` are left out. */
export function printStack(sequence: SequenceAst): string {
  return sequence.items.map(printRepeat).join(", ");
}

function printRepeat({ item, times }: RepeatAst): string {
  const suffix = times === null || times.value === 1 ? "" : ` * ${times.value}`;
  if (item.kind === "layer") return item.name.text + suffix;
  const inner = printStack(item.sequence);
  if (item.function !== null) return `${item.function.text}(${inner})${suffix}`;
  return suffix === "" || /^\w+$/.test(inner) ? inner + suffix : `(${inner})${suffix}`;
}

/** Names of all layers a stack mentions. */
export function layersIn(sequence: SequenceAst): readonly string[] {
  return sequence.items.flatMap(({ item }) => (item.kind === "layer" ? [item.name.text] : layersIn(item.sequence)));
}
