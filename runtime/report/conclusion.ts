/** What a comparison says, and what it does not: sentences for the report and the terminal. */
import type { CompareResults, Difference, VariantResult } from "../compare/results.ts";
import { recipeSettings } from "../train/index.ts";
import { count, interval, isClear, loss, signed } from "./words.ts";

export const conclusion = (results: CompareResults): readonly string[] => [...findings(results), ...caveats(results)];

export const findings = (results: CompareResults): readonly string[] => [...verdicts(results), ...failures(results)];

/** What keeps the findings from meaning more than they do. */
export const caveats = (results: CompareResults): readonly string[] => [...recipes(results), ...length(results), heldOut(results)];

/** One sentence per variant other than the baseline, and one about the lowest loss where there are more. */
function verdicts(results: CompareResults): readonly string[] {
  const { variants, baseline } = results;
  const compared = variants.filter(({ name }) => name !== baseline);
  const others = compared.map(({ name, difference }) => `${verdict(name, baseline, difference)}.`);
  return others.length < 2 ? others : [...others, ...leader(results)];
}

function verdict(name: string, baseline: string, d: Difference | null): string {
  if (d === null) return `${name}: no pair of runs with ${baseline} was completed`;
  const { mean, seed_interval: seeds, text_interval: text, per_seed: runs } = d;
  const size = loss(Math.abs(mean));
  const by = Number(size) === 0 ? `ends at the same loss as ${baseline}`
    : `ends ${mean < 0 ? "lower" : "higher"} than ${baseline} by ${size} nats`;
  if (seeds === null) {
    const overText = text === null ? "" : ` (95 % over the text of this seed: ${interval(text)})`;
    return `${name} ${by} with the one seed there is${overText}; what another seed would change is not known`;
  }
  const over = `over ${runs.length} seeds`;
  if (isClear(d)) return `${name} ${by} (95 % ${over}: ${interval(seeds)})`;
  return `${name} and ${baseline} cannot be told apart ${over}: the difference is ${signed(mean)} nats (95 %: ${interval(seeds)})`;
}

function leader({ variants, pairs, seeds }: CompareResults): readonly string[] {
  const sound = variants.filter(({ validation_loss: found }) => found !== null);
  const best = sound.toSorted((a, b) => a.validation_loss!.mean - b.validation_loss!.mean)[0];
  if (best === undefined || sound.length < 2) return [];
  const isClearFrom = ({ name }: VariantResult): boolean => pairs.some(({ variant, against, difference }) =>
    [variant, against].includes(name) && [variant, against].includes(best.name) && difference !== null && isClear(difference));
  const open = sound.filter((other) => other !== best && !isClearFrom(other)).map(({ name }) => name);
  const distance = open.length === 0 ? "clearly lower than each of the others" : `but it cannot be told apart from ${listOf(open)}`;
  const basis = seeds.length === 1 ? "with one seed, that ranks nothing" : distance;
  return [`${best.name} has the lowest mean loss, ${loss(best.validation_loss!.mean)}, ${basis}.`];
}

const listOf = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

function failures({ variants }: CompareResults): readonly string[] {
  return variants.flatMap(({ name, runs }) => {
    const of = (bad: number): string => `${bad} of ${runs.length} runs`;
    const diverged = runs.filter((run) => run.diverged !== null).length;
    const failed = runs.filter((run) => run.failed !== null);
    return [
      ...(diverged > 0 ? [`${name}: ${of(diverged)} diverged and ${diverged === 1 ? "is" : "are"} left out.`] : []),
      ...failed.slice(0, 1).map((first) => `${name}: ${of(failed.length)} failed and ${failed.length === 1 ? "is" : "are"} left out (${first.failed}).`),
    ];
  });
}

/** Settings of the recipe that are not the same for all: "lr is 0.1 (a, b) or 0.01 (c)". */
function recipes({ variants }: CompareResults): readonly string[] {
  const settings = variants.map(({ name, recipe }) => ({ name, values: recipeSettings(recipe) }));
  const different = Object.keys(settings[0]!.values).flatMap((key) => {
    const values = [...new Set(settings.map((one) => one.values[key]))];
    const namesOf = (value: unknown): string => settings.filter((one) => one.values[key] === value).map(({ name }) => name).join(", ");
    return values.length < 2 ? [] : [`${key} is ${values.map((value) => `${String(value)} (${namesOf(value)})`).join(" or ")}`];
  });
  if (different.length === 0) return [];
  return [`The variants were not trained alike, so recipe and model are compared together: ${different.join("; ")}.`];
}

/** Tokens per parameter for the least loss at a given amount of work (Hoffmann et al. 2022). */
const TOKENS_PER_PARAMETER = 20;

function length({ variants, budget }: CompareResults): readonly string[] {
  const ratios = variants.map(({ parameters }) => budget.tokens / parameters.unique);
  const [least, greatest] = [Math.min(...ratios), Math.max(...ratios)].map((x) => String(Number(x.toPrecision(2))));
  const perParameter = least === greatest ? least : `${least} to ${greatest}`;
  const tooLong = variants.filter(({ recipe }) => recipe.schedule.warmup >= recipe.steps).map(({ name }) => name);
  return [
    ...(Math.min(...ratios) >= TOKENS_PER_PARAMETER ? [] : [
      `The runs are short for the size of the models: ${count(budget.tokens)} tokens are ${perParameter} per parameter, `
      + `where about ${TOKENS_PER_PARAMETER} are usual. Longer runs may order the variants otherwise.`,
    ]),
    ...(tooLong.length === 0 ? [] : [`The warm-up of ${listOf(tooLong)} lasts as long as the run.`]),
  ];
}

const heldOut = ({ data, budget, validation_sequences: n }: CompareResults): string =>
  `Losses are of ${count(n * budget.seq_len)} tokens that were not trained on: ${data.held_out}.`;
