/** `expect`, `match`, `solve`, `compare`: claims about numbers. */
import { error, grouped, note, suggest, warning } from "../entry.ts";

/** What each measure counts, in words. */
const UNITS: Readonly<Record<string, string>> = { params: "parameters", active: "active parameters", macs: "MACs per token" };
const unit = (measure: string): string => UNITS[measure] ?? measure;

const compared = (actual: number, target: number): string =>
  actual === target ? "exactly as many" : `${signed((100 * (actual - target)) / target)} against ${grouped(target)}`;

const signed = (percent: number): string => `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(percent !== 0 && Math.abs(percent) < 0.01 ? 4 : 2)} %`;

export const COUNT_MESSAGES = {
  "expect-failed": error<{ model: string; measure: string; expected: number; tolerance: number; actual: number; breakdown: string }>({
    message: (p) =>
      `model \`${p.model}\` has ${grouped(p.actual)} ${unit(p.measure)}, not ${grouped(p.expected)}${p.tolerance > 0 ? ` ± ${grouped(p.tolerance)}` : ""}`,
    hint: (p) => `write \`expect ${p.measure} ${p.actual}\`, or correct the model: ${p.breakdown}`,
  }),
  "unknown-measure": error<{ name: string; nearest: string | null; choices: readonly string[] }>({
    message: (p) => `\`${p.name}\` is nothing that can be counted`,
    hint: (p) => suggest(p.nearest, p.choices),
  }),
  "solve-without-match": error<{ name: string }>({
    message: (p) => `nothing says what \`${p.name}\` is solved for`,
    hint: () => "add `match params MODEL` to this model, or write a number",
  }),
  "match-without-solve": error<{ model: string }>({
    message: (p) => `nothing in \`${p.model}\` is free to be matched`,
    hint: () => "write `solve` as the value of one field, for instance `d_ff solve`",
  }),
  "several-solve": error<{ first: string; second: string }>({
    message: (p) => `two fields are to be solved for, \`${p.first}\` and \`${p.second}\``,
    hint: () => "write a number for one of them",
  }),
  "match-target": error<{ problem: string }>({
    message: (p) => p.problem,
    hint: () => "write `match params MODEL` in a model, `match params by FIELD` in a compare",
  }),
  "match-cycle": error<{ names: readonly string[] }>({
    message: (p) => `models are matched in a circle: ${[...p.names, p.names[0]!].join(" to ")}`,
    hint: () => "give one of them fixed sizes",
  }),
  "match-impossible": error<{ field: string; measure: string; target: number; value: number; nearest: number }>({
    message: (p) =>
      p.nearest > p.target
        ? `even with ${p.field} = ${grouped(p.value)} there are ${grouped(p.nearest)} ${unit(p.measure)}, more than the ${grouped(p.target)} to match`
        : `even with ${p.field} = ${grouped(p.value)} there are only ${grouped(p.nearest)} ${unit(p.measure)}, fewer than the ${grouped(p.target)} to match`,
    hint: () => "change another size of this model",
  }),
  "match-inert": error<{ field: string; measure: string }>({
    message: (p) => `the number of ${unit(p.measure)} does not depend on ${p.field}`,
    hint: () => "solve for another field",
  }),
  "match-infeasible": error<{ field: string; value: number; problem: string }>({
    message: (p) => `no value of ${p.field} was found that makes a valid model`,
    hint: (p) => `with ${grouped(p.value)}, for instance: ${p.problem}`,
  }),
  "match-far": warning<{ model: string; field: string; value: number; measure: string; target: number; actual: number }>({
    message: (p) => `the nearest match for \`${p.model}\`, ${p.field} = ${grouped(p.value)}, has ${grouped(p.actual)} ${unit(p.measure)}, ${compared(p.actual, p.target)}`,
    hint: () => "solve for a finer field, or change another size",
  }),
  solved: note<{ model: string; field: string; value: number; measure: string; target: number; actual: number }>({
    message: (p) =>
      `in \`${p.model}\` ${p.field} is ${grouped(p.value)}: ${grouped(p.actual)} ${unit(p.measure)}, ${compared(p.actual, p.target)}`,
  }),
  "incomplete-compare": error<{ name: string; missing: string; example: string }>({
    message: (p) => `compare \`${p.name}\` has no \`${p.missing}\``,
    hint: (p) => `add \`${p.example}\``,
  }),
  "too-many-variants": error<{ of: "this grid has" | "the grids of this file up to here have"; count: number; limit: number }>({
    message: (p) => `${p.of} ${grouped(p.count)} variants; at most ${grouped(p.limit)} can be compared`,
    hint: () => "vary fewer fields, or over fewer values",
  }),
};
