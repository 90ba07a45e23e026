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

export const SYNTAX_MESSAGES = {
  "unexpected-character": error<{ text: string }>({
    message: (p) => `\`${p.text}\` has no meaning here`,
    hint: (p) => CHARACTER_HINTS[p.text[0]!] ?? "remove it",
  }),
  "unterminated-string": error<Record<never, never>>({
    message: () => "this string does not end",
    hint: () => 'close it with `"` on the same line',
  }),
  "bad-number": error<{ text: string }>({
    message: (p) => `\`${p.text}\` is not a number`,
    hint: () => "numbers look like 412, 10_000, 0.5, 2.5e-4, 44.3M (K thousand, M million, B billion)",
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
