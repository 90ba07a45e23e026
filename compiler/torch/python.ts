/** Python text: a template tag and small pieces. */

/**
 * A template laid out as it will be emitted: begins at column 0 however deep it stands in the source. A value of several lines is nested as
 * deep as the line on which it stands; a line that holds nothing but empty values is left out.
 */
export function python(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  const put = (value: string, before: string): string => (value === "" ? EMPTY : nested(value, before));
  const text = strings.reduce((before, after, i) => before + put(`${values[i - 1]}`, before) + after);
  const kept = text.replace(/^\n/, "").trimEnd().split("\n").filter((line) => !onlyEmpty(line));
  const lines = kept.map((line) => line.replaceAll(EMPTY, "").trimEnd());
  const depth = Math.min(...lines.filter((line) => line !== "").map(depthOf));
  return lines.map((line) => line.slice(depth)).join("\n");
}

/** Stands for an empty value until lines are judged. */
const EMPTY = "\u0000";

const onlyEmpty = (line: string): boolean => line.includes(EMPTY) && line.replaceAll(EMPTY, "").trim() === "";

const depthOf = (line: string): number => line.search(/\S|$/);

const nested = (value: string, before: string): string => {
  const line = before.slice(before.lastIndexOf("\n") + 1);
  return value.replace(/\n(?!\n)/g, `\n${" ".repeat(depthOf(line))}`);
};

/** Statements below each other; empty ones are left out. */
export const lines = (...statements: readonly string[]): string => statements.filter((line) => line !== "").join("\n");

/** A tuple as Python writes it without parentheses: "x", "x, y". */
export const list = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join(", ");

/** A tuple of any number of parts, in parentheses. */
export const tuple = (parts: readonly string[]): string => (parts.length === 1 ? `(${parts[0]},)` : `(${parts.join(", ")})`);

/** 1e-5 rather than 0.00001. */
export const number = (value: number): string =>
  (value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : `${value}`).replace("e+", "e");

/** "moeut_44m" → "Moeut44m" */
export const pascal = (name: string): string =>
  name.split(/[^A-Za-z0-9]+/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");

/** Whether a text uses a name. */
export const uses = (text: string, name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);

/** Formatters break lines that are longer. */
const WIDTH = 120;

/** Breaks long calls and definitions as formatters do. Comments and documentation stay as they are. */
export const formatted = (text: string): string => text.split("\n").flatMap(broken).join("\n");

function broken(line: string): readonly string[] {
  if (line.length <= WIDTH || /^ *(#|""")/.test(line)) return [line];
  const [open, close] = /^ *def /.test(line) ? [line.indexOf("("), closing(line, line.indexOf("("))] : lastPair(line);
  const [head, body, tail] = [line.slice(0, open + 1), line.slice(open + 1, close), line.slice(close)];
  const indent = " ".repeat(depthOf(line));
  const inner = `${indent}    `;
  const one = inner + body;
  return [head, ...(one.length <= WIDTH ? [one] : parts(body).map((part) => `${inner}${part},`)), indent + tail];
}

/** Where the bracket that is opened at `open` is closed. */
function closing(text: string, open: number): number {
  for (let [at, depth] = [open, 0]; at < text.length; at++) {
    if ("([".includes(text[at]!)) depth++;
    if (")]".includes(text[at]!) && --depth === 0) return at;
  }
  return text.length;
}

/** The outermost pair of parentheses that is closed last. */
function lastPair(line: string): readonly [number, number] {
  const close = line.lastIndexOf(")");
  const open = [...line].findIndex((char, at) => char === "(" && closing(line, at) === close);
  return [open, close];
}

/** Arguments, at the commas that no bracket holds. */
function parts(text: string): readonly string[] {
  const cuts = [...text].flatMap((char, at) => (char === "," && depthAt(text, at) === 0 ? [at] : []));
  return [0, ...cuts.map((at) => at + 1)].map((from, i) => text.slice(from, cuts[i] ?? text.length).trim());
}

const depthAt = (text: string, at: number): number =>
  [...text.slice(0, at)].reduce((depth, char) => depth + ("([".includes(char) ? 1 : ")]".includes(char) ? -1 : 0), 0);
