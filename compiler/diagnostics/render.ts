/** Diagnostics as text: one heading, the source lines that matter with their marks, one hint. Pure. */
import type { SourceText, Span } from "../ir/source.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { plural, type Severity } from "./entry.ts";

export interface RenderOptions {
  readonly color: boolean;
}

interface Mark {
  readonly span: Span;
  readonly sign: "^" | "-";
  readonly note: string;
}

const COLORS: Readonly<Record<Severity | "dim" | "bold", string>> = {
  error: "31;1", warning: "33;1", note: "36;1", dim: "2", bold: "1",
};

const paint = (text: string, style: keyof typeof COLORS, on: boolean): string => (on ? `\x1b[${COLORS[style]}m${text}\x1b[0m` : text);

/** Characters that a terminal would act on instead of showing. One for one, so that columns stay. */
const shown = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");

/** 1-based line and column, and the text of the line. */
function locate(text: string, offset: number): { readonly line: number; readonly column: number; readonly content: string } {
  const at = Math.min(offset, text.length);
  const start = text.lastIndexOf("\n", at - 1) + 1;
  const end = text.indexOf("\n", at);
  const line = text.slice(0, start).split("\n").length;
  return { line, column: at - start + 1, content: shown(text.slice(start, end < 0 ? undefined : end).replace(/\r$/, "")) };
}

/** The line under a source line. Tabs are copied into the padding so that the marks stay under the text. */
function underline(content: string, column: number, length: number, sign: string, note: string): string {
  const padding = content.slice(0, column - 1).replace(/[^\t]/g, " ");
  // Spans may run past this line (stop at its end) or be empty at the end of a file (still show one mark).
  const width = Math.max(1, Math.min(length, content.length - column + 1));
  return `     | ${padding}${sign.repeat(width)} ${note}`.trimEnd();
}

/** A source line and its underline. */
function frame(source: string, span: Span, sign: "^" | "-", note = ""): string {
  const { line, column, content } = locate(source, span.start);
  const { text, cut } = windowOf(content, column);
  return `${String(line).padStart(4)} | ${text}\n${underline(text, column - cut, span.end - span.start, sign, note)}`;
}

const WIDEST = 160;

/** Of a very long line, the part around the column; `cut` characters are missing in front of it. */
function windowOf(content: string, column: number): { readonly text: string; readonly cut: number } {
  if (content.length <= WIDEST) return { text: content, cut: 0 };
  const start = Math.max(0, Math.min(column - WIDEST / 2, content.length - WIDEST));
  const text = content.slice(start, start + WIDEST);
  return { text: `${start > 0 ? "…" : ""}${text}${start + WIDEST < content.length ? "…" : ""}`, cut: start > 0 ? start - 1 : 0 };
}

/** Marks of one file in reading order; a line with two marks is printed once. */
function frames(source: SourceText, marks: readonly Mark[]): string[] {
  const out: string[] = [];
  let lastText = "";
  for (const mark of [...marks].sort((x, y) => x.span.start - y.span.start)) {
    const [text, under] = frame(source.text, mark.span, mark.sign, mark.note).split("\n") as [string, string];
    if (text !== lastText) out.push(text);
    out.push(under);
    lastText = text;
  }
  return out;
}

function place(source: SourceText, span: Span, arrow: string): string {
  const { line, column } = locate(source.text, span.start);
  return `  ${arrow} ${source.file}:${line}:${column}`;
}

/** One diagnostic as text, without a line break at its end. */
function renderDiagnostic(diagnostic: Diagnostic, sources: readonly SourceText[], options: RenderOptions = { color: false }): string {
  const { severity, code, message, hint, span, labels } = diagnostic;
  const lines = [`${paint(`${severity}[${code}]`, severity, options.color)}: ${paint(message, "bold", options.color)}`];
  if (span !== null) {
    const marks: Mark[] = [{ span, sign: "^", note: "" }, ...labels.map((l) => ({ span: l.span, sign: "-" as const, note: l.note }))];
    for (const file of [...new Set(marks.map((m) => m.span.file))]) {
      const source = sources.find((s) => s.file === file);
      if (source === undefined) continue;
      const here = marks.filter((m) => m.span.file === file);
      lines.push(paint(place(source, here[0]!.span, file === span.file ? "-->" : ":::"), "dim", options.color), ...frames(source, here));
    }
  }
  if (hint !== "") lines.push(`${paint("hint", "bold", options.color)}: ${hint}`);
  return lines.join("\n");
}

/** Nobody reads more at once. */
const MOST = 50;
/** From the gravest on. */
const SEVERITIES = ["error", "warning", "note"] as const;

/** All diagnostics, or the gravest MOST and how many are left; a blank line between them, a line break at the end; "" for none. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: readonly SourceText[],
  options: RenderOptions = { color: false },
): string {
  const gravest = new Set(SEVERITIES.flatMap((severity) => diagnostics.filter((d) => d.severity === severity)).slice(0, MOST));
  const rendered = diagnostics.filter((d) => gravest.has(d)).map((d) => renderDiagnostic(d, sources, options));
  const left = diagnostics.filter((d) => !gravest.has(d));
  const counts = SEVERITIES.map((severity) => [left.filter((d) => d.severity === severity).length, severity] as const);
  const more = counts.filter(([count]) => count > 0).map(([count, severity]) => plural(count, severity)).join(", ");
  return diagnostics.length === 0 ? "" : `${[...rendered, ...(more === "" ? [] : [`and ${more} more`])].join("\n\n")}\n`;
}
