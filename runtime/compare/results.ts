/** results.json of a comparison. Losses in nats per token, times in seconds, memory in bytes. */
import type { AdapterName } from "../session.ts";
import type { Recipe } from "../standalone/schedule.ts";
import type { DataInfo } from "../train/index.ts";
import type { RecurrenceFit } from "../statistics/recurrence.ts";
import type { Interval, OverRuns } from "../statistics/describe.ts";

export interface CompareResults {
  readonly format: 2;
  readonly title: string;
  readonly versions: { readonly moeut: string; readonly node: string };
  /** Where it was last run, and the command that did. */
  readonly environment: { readonly command: string; readonly system: string; readonly processors: string };
  readonly adapter: AdapterName;
  /** held_out: how the held-out text was chosen. */
  readonly data: DataInfo & { readonly bytes_per_token: number; readonly held_out: string };
  readonly budget: Budget;
  readonly seeds: readonly number[];
  /** Held-out sequences behind each final loss, the same for all. */
  readonly validation_sequences: number;
  /** Of them those that count: of pairs, what is answered. */
  readonly validation_tokens: number;
  /** Differences within it are equivalent. */
  readonly margin: number;
  /** What the differences of variants are taken against. */
  readonly baseline: string;
  readonly variants: readonly VariantResult[];
  /** Every two variants: the final loss of `variant` less that of `against`; null where no pair of runs is complete. */
  readonly pairs: readonly { readonly variant: string; readonly against: string; readonly difference: Difference | null }[];
  /** Each task at the end of the runs, then at the steps that were asked for. */
  readonly tasks: readonly TaskComparison[];
  /** What another pass is worth, for each family of variants in which their number differs. */
  readonly recurrence: readonly Recurrence[];
  /** How the learning rates were chosen; null where the specs say them. */
  readonly tuning: TuningResult | null;
  /** How the numbers were made, for readers. */
  readonly method: readonly string[];
}

/** What each variant was given; steps are in its recipe. */
export interface Budget {
  /** "1.00T MACs of training"; null where the specs have the same steps. */
  readonly given: string | null;
  /** Of training, for each variant, where the budget is one of time. */
  readonly seconds?: number;
  /** Of the first variant, as `tokens`: with another budget than steps or tokens the others have theirs. */
  readonly steps: number;
  readonly batch: number;
  /** Positions of a sequence as it is trained on. */
  readonly seq_len: number;
  /** Those that count: of pairs, what is answered. */
  readonly tokens: number;
}

export interface VariantResult {
  readonly name: string;
  /** Of a point of a grid: what was varied and its value, as `stack` and `(a, b) * 2`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly spec_hash: string;
  /** Resolved, canonical. */
  readonly spec: string;
  /** Against the baseline's, as "-" and "+" lines; null for the baseline. */
  readonly spec_diff: string | null;
  readonly recipe: Recipe;
  readonly parameters: { readonly unique: number; readonly active: number };
  /** Multiply-accumulates of one forward pass, per token, by convention. */
  readonly macs_per_token: { readonly moeut: number; readonly full: number };
  /** null if no run was measured. */
  readonly memory_bytes: number | null;
  readonly step_seconds: StepSeconds | null;
  /** By the clock, of all steps of a run, evaluations and saving left out; over the sound runs; null if there is none. */
  readonly train_seconds: OverRuns | null;
  /** Final, over the sound runs; null if there is none. */
  readonly validation_loss: OverRuns | null;
  readonly perplexity: number | null;
  readonly bits_per_byte: number | null;
  /** This variant's final loss less the baseline's; null for the baseline and where no pair is complete. */
  readonly difference: Difference | null;
  readonly runs: readonly RunResult[];
  /** Final loss by number of passes; null where nothing repeats, or no other depth than the trained one was measured. */
  readonly depths: DepthResults | null;
  /** How each router used its experts at the end of training; none where nothing was counted. */
  readonly routing: readonly RouterUse[];
  readonly sample: Sample | null;
}

export interface RouterUse {
  /** "a.feed_forward", "a.attention v" */
  readonly router: string;
  /** Of all heads. */
  readonly experts: number;
  /** The last steps of training, over which choices were counted. */
  readonly steps: number;
  /** Choices of the first of the runs, [pass][expert]. */
  readonly passes: readonly (readonly number[])[];
  readonly runs: readonly RunRouting[];
}

export interface RunRouting {
  readonly seed: number;
  /** So many experts, used evenly, would have the same entropy of load, all passes together. */
  readonly perplexity: number;
  /** Experts that no token chose in any pass. */
  readonly dead: readonly number[];
  /** Jensen–Shannon divergence of the loads of a pass and the next, nats, a mean over them; null of one pass. */
  readonly moved: number | null;
}

/** loss = E + A·(N_once + r^φ·N_rec)^−α over variants of one family, or why the variants do not tell. */
export interface Recurrence {
  readonly variants: readonly string[];
  readonly runs: number;
  readonly fit: RecurrenceFit | null;
  readonly problem: string | null;
}

export interface DepthResults {
  readonly trained: number;
  /** By number of passes, fewest first; those at which no run has a finite loss are left out. */
  readonly points: readonly DepthPoint[];
}

export interface DepthPoint {
  readonly passes: number;
  /** Over the runs that have a finite loss there. */
  readonly loss: OverRuns;
  /** Share of tokens that is right, or of pairs (`data.positions`) that of whole answers. null or missing where it was not measured. */
  readonly accuracy?: OverRuns | null;
  readonly per_seed: readonly { readonly seed: number; readonly loss: number; readonly accuracy?: number | null }[];
}

export interface TuningResult {
  readonly setting: "lr";
  /** None of those that are compared. */
  readonly seeds: readonly number[];
  /** Of a trial; null: as many as of a run. */
  readonly steps: number | null;
  readonly variants: readonly {
    readonly name: string;
    readonly chosen: number;
    /** false: no trial ended with a result, and the least value was taken. */
    readonly sound: boolean;
    /** The best may lie beyond the values that were tried. */
    readonly edge: "least" | "greatest" | null;
    readonly trials: readonly TrialResult[];
  }[];
}

export interface TrialResult {
  readonly lr: number;
  /** Final, mean over seeds; null unless all of them have one. */
  readonly validation_loss: number | null;
  readonly runs: readonly Pick<RunResult, "seed" | "folder" | "validation_loss" | "diverged" | "failed">[];
}

/** What a task of `eval` says about the variants. Values are shares of items that were answered right: more is better. */
export interface TaskComparison {
  readonly task: string;
  readonly metric: string;
  /** Of training; null at the end of each run. */
  readonly step: number | null;
  readonly items: number;
  /** What guessing gets; null where that is not known. */
  readonly chance: number | null;
  /** Differences within it are equivalent. */
  readonly margin: number;
  readonly variants: readonly VariantScore[];
}

export interface VariantScore {
  readonly name: string;
  /** Mean over the runs that were measured; null if there is none. */
  readonly value: number | null;
  /** Over seeds. */
  readonly sd: number | null;
  /** The same of the kinds of items, by what they are divided by. */
  readonly parts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** This value less the baseline's, paired by seed and item, judged with all tasks of the step together; null for the baseline. */
  readonly difference: Difference | null;
  readonly runs: readonly { readonly seed: number; readonly value: number | null; readonly failed: string | null }[];
}

/** Of a training step. */
export interface StepSeconds {
  readonly median: number;
  /** The middle half: of rounds of turns, or of all steps while training. */
  readonly spread: Interval;
  /** To the baseline's, taken within each round: the median and the middle half. null unless both were measured in turn. */
  readonly ratio: number | null;
  readonly ratio_spread: Interval | null;
  readonly measured: "in turn" | "while training";
}

/** Of paired runs: of their losses over held-out sequences, or of what tasks found over items ("sequences" are items then). */
export interface Estimate {
  readonly mean: number;
  /** 95 % over seeds, Student's t: what another seed would change. null for one seed. */
  readonly seed_interval: Interval | null;
  /** 95 % over held-out sequences with the runs as they are, Student's t: what other text would change. null for one sequence. */
  readonly text_interval: Interval | null;
  /** 95 % over seeds and held-out sequences together, by the bootstrap. null for one of either. */
  readonly joint_interval: Interval | null;
  readonly per_seed: readonly { readonly seed: number; readonly difference: number }[];
  /** Runs of either side that diverged and are left out. */
  readonly diverged: { readonly variant: number; readonly against: number };
}

/**
 * Of the variant, held against the other. "open": not enough seeds to tell. "unstable": the seeds that both sides finished would say
 * "better" (or "equivalent") of a variant that diverged with another seed.
 */
export type Outcome = "better" | "worse" | "equivalent" | "open" | "unstable" | "one seed";

/** An estimate among those that were judged together: the variants against the baseline, or all pairs. */
export interface Difference extends Estimate {
  /** Paired t over seeds, two-sided, corrected for the number of differences (Holm). null for one seed, as what follows. */
  readonly p: number | null;
  /** Of two one-sided tests that the difference lies within the margin, corrected alike. */
  readonly p_equivalent: number | null;
  readonly outcome: Outcome;
  /** The least true difference that these seeds find with power 80 %. */
  readonly detectable: number | null;
  /** Where it is open: seeds that will decide with power 80 % if mean and deviation stay; null if 1,000 in all would not. */
  readonly more_seeds: number | null;
}

export interface RunResult {
  readonly seed: number;
  /** Relative to results.json. */
  readonly folder: string;
  /** What went wrong in training, or null. */
  readonly diverged: string | null;
  /** Why there is no run to measure (the model is too large for the device, say), or null. */
  readonly failed: string | null;
  readonly validation_loss: number | null;
  /** Training loss (cross-entropy) per step, thinned, and held-out loss where it was measured. */
  readonly curve: readonly { readonly step: number; readonly train_loss: number; readonly validation_loss: number | null }[];
}

export interface Sample {
  readonly seed: number;
  readonly prompt: string;
  readonly text: string;
}
