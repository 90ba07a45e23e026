/** The shape of one catalogue entry. A message is a pure function of typed facts; the place is added by the reporter. */
export type Severity = "error" | "warning" | "note";

export interface Message<P> {
  readonly severity: Severity;
  /** One sentence: what is wrong, in the author's words and numbers. */
  readonly message: (facts: P) => string;
  /** One sentence: what to type. Empty where the message says it all. */
  readonly hint: (facts: P) => string;
}

const make =
  (severity: Severity) =>
  <P>(texts: { readonly message: (facts: P) => string; readonly hint?: (facts: P) => string }): Message<P> => ({
    severity,
    message: texts.message,
    hint: texts.hint ?? (() => ""),
  });

export const error = make("error");
export const warning = make("warning");
export const note = make("note");

/** "`a`, `b` or `c`" */
export function oneOf(names: readonly string[], joiner = "or"): string {
  const quoted = names.map((name) => `\`${name}\``);
  if (quoted.length <= 1) return quoted.join("");
  return `${quoted.slice(0, -1).join(", ")} ${joiner} ${quoted[quoted.length - 1]}`;
}

/** 44345792 → "44,345,792". */
export const grouped = (value: number): string => value.toLocaleString("en-US");

/** "1 value", "3 values". */
export const plural = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;

/** The usual hint for a wrong name: the nearest one, or the whole set when it is small. */
export function suggest(nearest: string | null, choices: readonly string[]): string {
  if (nearest !== null) return `did you mean \`${nearest}\`?`;
  if (choices.length === 0) return "";
  return choices.length <= 16 ? `choose ${choices.length === 1 ? "" : "one of "}${oneOf(choices)}` : "";
}
