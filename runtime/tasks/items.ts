/** What a benchmark asks: which of several continuations of a text is right. */

export interface Item {
  readonly id: string;
  /** What it counts towards: a result is the mean over the items of a group, then over the groups. */
  readonly group: string;
  /** Read and not scored; empty where whole sentences are compared. */
  readonly context: string;
  /** Continuations, or whole sentences, without the space in front. */
  readonly choices: readonly string[];
  readonly gold: number;
}

/** Of one choice: logarithms of probabilities are natural, summed in float64. */
export interface Score {
  readonly sum: number;
  readonly tokens: number;
  /** Code points and UTF-8 bytes of the choice without the space in front. */
  readonly characters: number;
  readonly bytes: number;
}

/** By name of a metric: 1 if the item was answered right, else 0. */
export type Judgement = Readonly<Record<string, number>>;

export type TaskProtocol = "moeut" | "harness";

/** How a choice counts. moeut: docs of the MoEUT training code; harness: lm-evaluation-harness. */
const METRICS: Readonly<Record<TaskProtocol, (whole: boolean) => Readonly<Record<string, (score: Score) => number>>>> = {
  moeut: (whole) => ({ accuracy: ({ sum, tokens }) => (whole ? sum : sum / tokens) }),
  harness: (whole): Readonly<Record<string, (score: Score) => number>> => whole
    ? { acc: ({ sum }) => sum }
    : { acc: ({ sum }) => sum, acc_norm: ({ sum, characters }) => sum / characters, acc_bytes: ({ sum, bytes }) => sum / bytes },
};

/**
 * moeut: the right one must be better than every other, so that a tie or NaN is wrong. harness: the first of the best must be the right
 * one. Whole sentences are compared by their sums, continuations by their means per token (moeut) or in three ways (harness).
 */
export function judge({ gold, context }: Item, scores: readonly Score[], protocol: TaskProtocol): Judgement {
  const metrics = METRICS[protocol](context === "");
  const isRight = (of: (score: Score) => number): boolean => {
    const values = scores.map(of);
    if (protocol === "moeut") return values.every((value, i) => i === gold || values[gold]! > value);
    return values.indexOf(Math.max(...values)) === gold;
  };
  return Object.fromEntries(Object.entries(metrics).map(([name, of]) => [name, Number(isRight(of))]));
}

export interface Result {
  readonly metric: string;
  /** Mean over the groups of the means over their items. */
  readonly value: number;
  /** Standard error of that mean, from the spread of the items within their groups. */
  readonly standardError: number;
  readonly groups: Readonly<Record<string, number>>;
}

/** Means by metric, in the order of the first item. */
export function summarize(items: readonly Item[], judgements: readonly Judgement[]): readonly Result[] {
  return Object.keys(judgements[0] ?? {}).map((metric) => {
    const byGroup = new Map<string, number[]>();
    items.forEach(({ group }, i) => byGroup.set(group, [...(byGroup.get(group) ?? []), judgements[i]![metric]!]));
    const means = [...byGroup].map(([group, values]) => [group, mean(values)] as const);
    const variance = [...byGroup.values()].reduce((sum, values) => sum + varianceOfMean(values), 0) / means.length ** 2;
    return { metric, value: mean(means.map(([, value]) => value)), standardError: Math.sqrt(variance), groups: Object.fromEntries(means) };
  });
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Unbiased, of zeros and ones; 0 of a single item, which says nothing about it. */
function varianceOfMean(values: readonly number[]): number {
  const p = mean(values);
  return values.length < 2 ? 0 : (p * (1 - p)) / (values.length - 1);
}
