/** The stack as text. */
import type { RepeatAst, SequenceAst } from "../ir/ast.ts";

/** Words in front of parentheses. */
export const STACK_FUNCTIONS: readonly string[] = ["own", "core"];

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
