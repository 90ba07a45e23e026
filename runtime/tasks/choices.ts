/** Which of several texts the model finds most probable. */
import type { HostArray } from "../standalone/types.ts";
import type { Answer, Item, Score, TaskProtocol } from "./items.ts";
import { sequencesOf } from "./requests.ts";
import { meanResult } from "./results.ts";
import type { Scoring } from "./scoring.ts";

type Metric = (score: Score) => number;

const SUM: Metric = ({ sum }) => sum;

/** How a choice counts. moeut: docs of the MoEUT training code; harness: lm-evaluation-harness. */
const METRICS: Readonly<Record<TaskProtocol, (whole: boolean) => Readonly<Record<string, Metric>>>> = {
  moeut: (whole) => ({ accuracy: whole ? SUM : ({ sum, tokens }) => sum / tokens }),
  harness: (whole): Readonly<Record<string, Metric>> => whole
    ? { acc: SUM }
    : { acc: SUM, acc_norm: ({ sum, characters }) => sum / characters, acc_bytes: ({ sum, bytes }) => sum / bytes },
};

/**
 * moeut: the right one must be better than every other, so that a tie or NaN is wrong. harness: the first of the best must be the right
 * one. Whole texts are compared by their sums, continuations by their means per token (moeut) or in three ways (harness).
 */
export function judge({ gold, context }: Item, scores: readonly Score[], protocol: TaskProtocol): Answer["measures"] {
  const isRight = (of: Metric): boolean => {
    const values = scores.map(of);
    if (protocol === "moeut") return values.every((value, i) => i === gold || values[gold]! > value);
    return values.indexOf(Math.max(...values)) === gold;
  };
  return Object.fromEntries(Object.entries(METRICS[protocol](context === "")).map(([name, of]) => [name, Number(isRight(of))]));
}

export const CHOICES: Scoring = {
  predicts: false,
  sequences: sequencesOf,
  answer(item, scored, { protocol }) {
    const choices = item.choices.map((choice, i): Score => scoreOf(choice, scored[i]!.losses));
    return { choices, measures: judge(item, choices, protocol) };
  },
  /** A set may have whole texts and continuations, which have not all metrics in common. */
  results: (items, answers) => [...new Set(answers.flatMap(({ measures }) => Object.keys(measures)))].map((metric) => {
    const having = items.filter((_, i) => metric in answers[i]!.measures);
    return meanResult(metric, having, answers.flatMap(({ measures }) => measures[metric] ?? []));
  }),
};

export const scoreOf = (choice: string, losses: HostArray): Score =>
  ({ sum: -sum64(losses), tokens: losses.length, characters: [...choice].length, bytes: Buffer.byteLength(choice) });

/** Summed in float64. */
export function sum64(values: HostArray): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
