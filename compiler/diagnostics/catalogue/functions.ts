/** `fn`: functions that a spec defines. */
import { error, oneOf, plural, suggest, warning } from "../entry.ts";

export const FUNCTION_MESSAGES = {
  "duplicate-fn": error<{ name: string }>({
    message: (p) => `there are two functions named \`${p.name}\``,
    hint: () => "rename one of them",
  }),
  "fn-name-taken": error<{ name: string }>({
    message: (p) => `\`${p.name}\` means something without a definition`,
    hint: (p) => `choose another name: \`fn my_${p.name}(…) = …\``,
  }),
  "fn-cycle": error<{ names: readonly string[] }>({
    message: (p) => `\`${p.names[0]}\` calls itself${p.names.length > 1 ? `: ${[...p.names, p.names[0]!].join(" calls ")}` : ""}`,
    hint: () => "functions cannot be recursive: write out what it should compute",
  }),
  "fn-too-large": error<{ name: string; limit: number }>({
    message: (p) => `with everything it calls written out, \`${p.name}\` has more than ${p.limit} operations or calls within calls here`,
    hint: () => "a pointwise function has a dozen; make it smaller",
  }),
  "fn-parameters": error<{ field: string; name: string; count: number }>({
    message: (p) => `\`${p.field}\` takes a function of one number, and \`${p.name}\` has ${plural(p.count, "parameter")}`,
    hint: (p) => `define one that calls it: \`fn my_${p.name}(x) = ${p.name}(x, ${Array.from({ length: p.count - 1 }, (_, i) => i + 1).join(", ")})\``,
  }),
  "fn-not-finite": warning<{ name: string; at: number; value: string }>({
    message: (p) => `\`${p.name}(${p.at})\` is ${p.value}: activations and scores are given numbers of both signs, and 0`,
    hint: () => "guard it: `where(x > 0, log(x), 0)`, for instance, never takes the logarithm of a negative number",
  }),
  "constant-fn": error<{ name: string }>({
    message: (p) => `\`${p.name}\` has slope 0 wherever it was tried, from -10 to 10: no gradient would pass, and nothing in front of it could learn`,
    hint: () => "let its value change gradually with its parameter",
  }),
  "signed-score": warning<{ name: string; least: string; use: "weight" | "sampled" }>({
    message: (p) =>
      `${p.use === "weight" ? "a renormalized weight divides by the sum of the chosen scores, which may be 0" : "experts are drawn in proportion to their scores, which may be negative"}: \`${p.name}\` is ${p.least} at its lowest from -10 to 10`,
    hint: (p) => (p.use === "weight" ? "write `weight score`, or a score that is greater than 0 everywhere" : "write `sampled 0`, or a score that is never negative"),
  }),
  "unknown-function": error<{ name: string; nearest: string | null; choices: readonly string[]; isParameter: boolean }>({
    message: (p) => `there is no function \`${p.name}\``,
    hint: (p) => {
      if (p.isParameter) return `\`${p.name}\` is a parameter: a product is written \`${p.name} * (…)\``;
      if (/^(pow|power|square|sq)$/.test(p.name)) return "a power is written as a product: `x * x`";
      return p.nearest !== null ? `did you mean \`${p.nearest}\`?` : `there are ${oneOf(p.choices, "and")}; others are defined with \`fn ${p.name}(x) = …\``;
    },
  }),
  "unknown-parameter": error<{ fn: string; name: string; nearest: string | null; choices: readonly string[]; isFunction: boolean }>({
    message: (p) => `\`${p.fn}\` has no parameter \`${p.name}\``,
    hint: (p) => (p.isFunction ? `\`${p.name}\` is a function: write what it is given, \`${p.name}(…)\`` : p.nearest !== null ? suggest(p.nearest, []) : `it has ${oneOf(p.choices, "and")}; what else it needs becomes a parameter or a number`),
  }),
  "wrong-arguments": error<{ name: string; takes: string; example: string }>({
    message: (p) => `\`${p.name}\` takes ${p.takes}`,
    hint: (p) => `write \`${p.example}\``,
  }),
  "misplaced-comparison": error<Record<never, never>>({
    message: () => "a comparison is no number",
    hint: () => "it stands first in `where`: `where(x < 0, 0, x)` is 0 where x is below 0, else x",
  }),
  "not-finite": error<{ value: string }>({
    message: (p) => `part of this is ${p.value}, whatever the parameters are`,
    hint: () => "numbers are single precision, up to 3.4e38",
  }),
};
