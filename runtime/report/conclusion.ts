/** What a comparison says, and what it does not: sentences for the report and the terminal. */
import type { CompareResults, Difference, VariantResult } from "../compare/results.ts";
import { recipeSettings } from "../train/index.ts";
import type { Interval } from "../statistics/describe.ts";
import { studentInterval } from "../statistics/student.ts";
import { short } from "../units.ts";
import { specWords } from "./spec-words.ts";
import { spentWords } from "./spent.ts";
import { advice, beyondAll, taskFailures, taskVerdicts } from "./task-words.ts";
import { tuneWords } from "./tune.ts";
import { countedTokens, interval, isClear, listOf, loss, pText, signed, valueText } from "./words.ts";

export const conclusion = (results: CompareResults): readonly string[] => [...findings(results), ...caveats(results)];

export const findings = (results: CompareResults): readonly string[] =>
  [...verdicts(results), ...taskVerdicts(results), ...failures(results), ...taskFailures(results)];

/** What keeps the findings from meaning more than they do. */
export const caveats = (results: CompareResults): readonly string[] =>
  [specWords, spentWords, tuneWords, recipes, beyondAll, length, littleText, heldOut].flatMap((words) => words(results));

/** One sentence per variant other than the baseline, and one about the lowest loss where there are more. */
function verdicts(results: CompareResults): readonly string[] {
  const { variants, baseline } = results;
  const compared = variants.filter(({ name }) => name !== baseline);
  const others = compared.map(({ name, difference }) => `${verdict(name, results, difference)}.`);
  return others.length < 2 ? others : [...others, ...leader(results)];
}

function verdict(name: string, results: CompareResults, d: Difference | null): string {
  const { baseline, margin } = results;
  if (d === null) return `${name}: no pair of runs with ${baseline} was completed`;
  const size = loss(Math.abs(d.mean));
  const side = d.mean < 0 ? "lower" : "higher";
  switch (d.outcome) {
    case "one seed": return oneSeed(name, results, d);
    case "better": case "worse": return `${name} is ${d.outcome} than ${baseline}: `
      + `its loss is ${side} by ${size} nats (${evidence(d, results)})`;
    case "equivalent": return `${name} and ${baseline} are equivalent within ${margin} nats: `
      + `the difference is ${signed(d.mean)} (${within(d)})`;
    case "unstable": return `${name} differs from ${baseline} by ${signed(d.mean)} nats where both were trained to the end `
      + `(${evidence(d, results)}), but the one that this speaks for diverged with other seeds, so nothing is called better or equivalent`;
    case "open": return `Not enough seeds to tell ${name} from ${baseline}: ${advice(d, results)}; `
      + `the difference is ${signed(d.mean)} nats (${evidence(d, results)}), and the least that they find is ${loss(d.detectable!)}`;
  }
}

/** Of two runs, and no word about what was compared. */
function oneSeed(name: string, { baseline, seeds }: CompareResults, { mean, text_interval: text }: Difference): string {
  const size = loss(Math.abs(mean));
  const by = Number(size) === 0 ? `ends at the same loss as ${baseline}`
    : `ends ${mean < 0 ? "lower" : "higher"} than ${baseline} by ${size} nats`;
  const overText = text === null ? "" : ` (95 % over the text of this seed: ${interval(text)})`;
  return `${name} ${by} in the one pair of runs there is${overText}; what another seed would change is not known: `
    + `run 2 more (--seeds ${seeds.length + 2})`;
}

function evidence({ seed_interval: seeds, per_seed: runs, p }: Difference, { variants }: CompareResults): string {
  const family = variants.length > 2 ? ` corrected for ${variants.length - 1} variants` : "";
  return `95 % over ${runs.length} seeds: ${interval(seeds!)}; ${pText(p!)}${family}`;
}

/** Two one-sided tests at 5 % are a 90 % interval. */
const within = ({ per_seed: runs }: Difference): string =>
  `90 % over ${runs.length} seeds: ${interval(studentInterval(runs.map(({ difference }) => difference), 0.9)!)}`;

function leader(results: CompareResults): readonly string[] {
  const { variants, seeds } = results;
  const sound = variants.filter(({ validation_loss: found }) => found !== null);
  const best = sound.toSorted((a, b) => a.validation_loss!.mean - b.validation_loss!.mean)[0];
  if (best === undefined || sound.length < 2) return [];
  const isTold = (other: VariantResult): boolean => isClear(between(results, best, other) ?? { outcome: "open" });
  const open = sound.filter((other) => other !== best && !isTold(other)).map(({ name }) => name);
  const distance = open.length === 0 ? "clearly lower than each of the others" : `but it cannot be told apart from ${listOf(open)}`;
  const basis = seeds.length === 1 ? "with one seed, that ranks nothing" : distance;
  return [`${best.name} has the lowest mean loss, ${loss(best.validation_loss!.mean)}, ${basis}.`];
}

/** As the sentences before say it where one is the baseline: among all pairs the same difference is held to more. */
function between({ pairs, baseline }: CompareResults, one: VariantResult, other: VariantResult): Difference | null {
  if (one.name === baseline) return other.difference;
  if (other.name === baseline) return one.difference;
  return pairs.find(({ variant, against }) => [one.name, other.name].every((name) => [variant, against].includes(name)))!.difference;
}

function failures({ variants }: CompareResults): readonly string[] {
  return variants.flatMap(({ name, runs }) => {
    const of = (bad: number): string => `${bad} of ${runs.length} runs`;
    const diverged = runs.filter((run) => run.diverged !== null).length;
    const failed = runs.filter((run) => run.failed !== null);
    return [
      ...(diverged > 0 ? [`${name}: ${of(diverged)} diverged and ${diverged === 1 ? "is" : "are"} left out.`] : []),
      ...failed.slice(0, 1).map((first) =>
        `${name}: ${of(failed.length)} failed and ${failed.length === 1 ? "is" : "are"} left out (${first.failed}).`),
    ];
  });
}

/** Settings of the recipe that are not the same for all: "lr is 0.1 (a, b) or 0.01 (c)". */
function recipes({ variants, tuning, budget }: CompareResults): readonly string[] {
  const settings = variants.map(({ recipe }) => recipeSettings(recipe));
  const chosen = [...(tuning === null ? [] : ["lr"]), ...(budget.given === null ? [] : ["steps"])];
  const different = Object.keys(settings[0]!).filter((key) => !chosen.includes(key)).flatMap((key) => {
    const values = settings.map((of) => String(of[key]));
    const isOne = values.every((value) => value === values[0]);
    return isOne ? [] : [`${key} is ${valueText(variants.map(({ name }, i) => ({ name, value: values[i]! })))}`];
  });
  if (different.length === 0) return [];
  return [`The variants were not trained alike, so recipe and model are compared together: ${different.join("; ")}.`];
}

/** Tokens of text per parameter for the least loss at a given amount of work (Hoffmann et al. 2022). */
const TOKENS_PER_PARAMETER = 20;

function length({ variants, budget, data }: CompareResults): readonly string[] {
  const spent = variants.map(({ recipe }) => (budget.tokens * recipe.steps) / budget.steps);
  const ratios = variants.map(({ parameters }, i) => spent[i]! / parameters.unique);
  const tokens = [...new Set([Math.min(...spent), Math.max(...spent)].map(short))].join(" to ");
  const [least, greatest] = [Math.min(...ratios), Math.max(...ratios)].map((x) => String(Number(x.toPrecision(2))));
  const perParameter = least === greatest ? least : `${least} to ${greatest}`;
  const tooLong = variants.filter(({ recipe }) => recipe.schedule.warmup >= recipe.steps).map(({ name }) => name);
  return [
    ...(Math.min(...ratios) >= TOKENS_PER_PARAMETER ? [] : [
      `The runs are short for the size of the models: ${tokens} ${countedTokens(data)} are ${perParameter} per parameter, `
      + `where about ${TOKENS_PER_PARAMETER} are usual for texts. Longer runs may order the variants otherwise.`,
    ]),
    ...(tooLong.length === 0 ? [] : [`The warm-up of ${listOf(tooLong)} lasts as long as the run.`]),
  ];
}

/** Differences that hold over seeds for this text alone. */
function littleText({ variants }: CompareResults): readonly string[] {
  const open = variants.filter(({ difference: d }) => d !== null && isClear(d) && d.joint_interval !== null && holdsZero(d.joint_interval));
  if (open.length === 0) return [];
  const names = listOf(open.map(({ name }) => name));
  return [`The held-out text is too little to tell whether other text would agree about ${names}: --eval-tokens.`];
}

const holdsZero = ({ low, high }: Interval): boolean => low <= 0 && high >= 0;

const heldOut = ({ data, validation_tokens: n }: CompareResults): readonly string[] =>
  [`Losses are of ${short(n)} ${countedTokens(data)} that were not trained on: ${data.held_out}.`];
