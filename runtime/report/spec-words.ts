/** What the variants have that the baseline has not, in a sentence each. */
import type { CompareResults, VariantResult } from "../compare/results.ts";
import { listOf } from "./words.ts";

type Settings = NonNullable<VariantResult["settings"]>;

/** Differences of more lines, or longer ones, are for the section of specs. */
const [LINES, LETTERS] = [3, 120];

/** `b has “stack a * 4” where a has “stack a * 2”.`: where specs differ in few lines; recipes have a sentence of their own. */
export const specWords = ({ variants, baseline }: CompareResults): readonly string[] => variants.flatMap((variant) => {
  const { name, spec_diff: diff, settings } = variant;
  const base = variants.find((other) => other.name === baseline)!.settings;
  const isGrid = settings !== undefined && base !== undefined;
  const [here, there] = isGrid ? [unlike(settings, base), unlike(base, settings)] : [linesOf(diff, "+"), linesOf(diff, "-")];
  const isShort = [here, there].every((lines) => lines.length <= LINES && lines.join("").length <= LETTERS);
  if (!isShort || here.length + there.length === 0) return [];
  if (there.length === 0) return [`${name} has ${quoted(here)}, which ${baseline} has not.`];
  if (here.length === 0) return [`${name} lacks ${quoted(there)}, which ${baseline} has.`];
  return [`${name} has ${quoted(here)} where ${baseline} has ${quoted(there)}.`];
});

/** What a grid has set, as in its `vary` lines: the specs differ in what follows from it, too. */
const unlike = (settings: Settings, other: Settings): readonly string[] =>
  Object.entries(settings).filter(([path, value]) => other[path] !== value && !path.startsWith("train."))
    .map(([path, value]) => `${path} ${value}`);

const quoted = (lines: readonly string[]): string => listOf(lines.map((line) => `“${line}”`));

/** Of the model's own lines, but for the one with its name. */
function linesOf(diff: VariantResult["spec_diff"], sign: "+" | "-"): readonly string[] {
  const lines = (diff ?? "").split("\n");
  const recipe = lines.findIndex((line) => /^[ +-] +train \{/.test(line));
  const own = lines.slice(0, recipe < 0 ? lines.length : recipe).filter((line) => line.startsWith(sign));
  return own.map((line) => line.slice(1).trim()).filter((line) => line !== "" && !/^model \S+ \{$/.test(line));
}
