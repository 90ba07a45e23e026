/** Text that is not a spec yet. */
import { error, warning } from "../entry.ts";

const CHARACTER_HINTS: Readonly<Record<string, string>> = {
  "=": "a field is its name and its value with a space between: `d_model 128`",
  ":": "a field is its name and its value with a space between: `d_model 128`",
  ";": "fields need no separator: write the next one after a space or on its own line",
  "#": "a comment starts with `//`",
  "/": "a comment starts with `//` and ends with the line",
  "+": "a tolerance is written `+- 0.1M`",
  "-": "a tolerance is written `+- 0.1M`",
  "^": "a power is written as a product: `x * x`",
  "'": 'strings stand in double quotes: "base.moeut"',
  "[": "a list is its values with commas between: `scope sequence, passes`",
  "]": "a list is its values with commas between: `scope sequence, passes`",
};

/** Characters that word processors and web pages put in place of those of the language. */
const LOOK_ALIKES: readonly (readonly [characters: RegExp, hint: string])[] = [
  [/[\u2010-\u2015\u2212\ufe63\uff0d]/u, "a minus sign is `-`, the character of the keyboard"],
  [/[\u2018-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f\uff02\uff07]/u, 'strings stand in straight double quotes: "base.moeut"'],
  [/[\u00d7\u00b7\u2217\u22c5\u2715]/u, "a product is written `*`"],
  [/[\u00f7\u2044\u2215]/u, "a quotient is written `/`"],
  [/[\u2264\u2265]/u, "comparisons are written `<=` and `>=`"],
  [/[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\u180e]/u, "this character cannot be seen; remove it"],
  [/[\p{L}\p{M}\p{N}]/u, "names and numbers are made of the letters a to z, digits and `_`"],
];

const characterHint = (text: string): string =>
  CHARACTER_HINTS[text[0]!] ?? LOOK_ALIKES.find(([characters]) => characters.test(unusual(text)))?.[1] ?? "remove it";

/** U+2212 */
const codePoint = (character: string): string => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
/** The first character that is not on every keyboard, or "". */
const unusual = (text: string): string => /[^\x00-\x7f]/u.exec(text)?.[0] ?? "";

const withMinus = (text: string): string => text.replace(/[\u2010-\u2015\u2212]/g, "-");

export const SYNTAX_MESSAGES = {
  /** `text` as it is, `shown` without what a terminal would act on. */
  "unexpected-character": error<{ text: string; shown: string }>({
    message: (p) => `\`${p.shown}\` has no meaning here${unusual(p.text) === "" ? "" : ` (${codePoint(unusual(p.text))})`}`,
    hint: (p) => characterHint(p.text),
  }),
  "unterminated-string": error<Record<never, never>>({
    message: () => "this string does not end",
    hint: () => 'close it with `"` on the same line',
  }),
  "bad-number": error<{ text: string }>({
    message: (p) => `\`${p.text}\` is not a number`,
    hint: (p) => withMinus(p.text) !== p.text
      ? `the minus sign is another character here; write \`${withMinus(p.text)}\``
      : "numbers look like 412, 10_000, 0.5, 2.5e-4, 44.3M (K thousand, M million, B billion)",
  }),
  "reserved-word": error<{ word: string }>({
    message: (p) => `\`${p.word}\` is a word of the language and cannot name anything`,
    hint: () => "choose another name",
  }),
  "unexpected-token": error<{ found: string; expected: string; hint: string }>({
    message: (p) => `expected ${p.expected}, found ${p.found}`,
    hint: (p) => p.hint,
  }),
  "unclosed-block": error<{ found: string }>({
    message: (p) => `a block is still open at ${p.found}`,
    hint: () => "close it with `}`",
  }),
  "missing-version": warning<Record<never, never>>({
    message: () => "the file does not say which version of the language it is written in",
    hint: () => "make `moeut 1` its first line",
  }),
  "late-version": error<Record<never, never>>({
    message: () => "the version of the language stands in the first line, once",
    hint: () => "move it there, or remove it",
  }),
  "unsupported-version": error<{ version: string }>({
    message: (p) => `this is language version ${p.version}, but this compiler knows version 1 only`,
    hint: () => "write `moeut 1`",
  }),
  "nested-too-deep": error<{ what: "blocks and parentheses" | "imports"; limit: number }>({
    message: (p) => `${p.what} nest more than ${p.limit} deep`,
    hint: () => "flatten this part",
  }),
};
