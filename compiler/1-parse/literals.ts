/** Numbers and strings: the lexer takes whatever looks like one, here it is said whether it is. */
import type { Reporter } from "../diagnostics/index.ts";
import type { NumberAst } from "../ir/ast.ts";
import type { Span } from "../ir/source.ts";

const NUMBER = /^(-?)((?:\d+(?:_\d+)*)(?:\.\d+(?:_\d+)*)?)(?:[eE]([+-]?\d{1,4}))?([KMB]?)$/;
const SUFFIX: Readonly<Record<string, number>> = { "": 0, K: 3, M: 6, B: 9 };

/** "44.3M" is exactly 44300000: the suffix moves the decimal point before rounding, not after. Null where the text is no number. */
function numberValue(text: string): number | null {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const exponent = Number(match[3] ?? 0) + SUFFIX[match[4] ?? ""]!;
  const value = Number(`${match[1]}${match[2]!.replaceAll("_", "")}e${exponent}`);
  return Number.isFinite(value) ? value : null;
}

export function readNumber(text: string, span: Span, report: Reporter, damage: Span[]): NumberAst | null {
  const value = numberValue(text);
  if (value !== null) return { kind: "number", value, text, span };
  report.report("bad-number", span, { text: text.slice(0, 40) });
  damage.push(span);
  return null;
}

/** Backslash keeps the next character. */
export function readString(text: string, span: Span, report: Reporter, damage: Span[]): string | null {
  if (/^"(?:[^"\\]|\\.)*"$/.test(text)) return text.slice(1, -1).replace(/\\(.)/g, "$1");
  report.report("unterminated-string", span, {});
  damage.push(span);
  return null;
}
