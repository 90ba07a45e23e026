/** results.json of a comparison. Losses in nats per token, times in seconds, memory in bytes. */
import type { AdapterName } from "../session.ts";
import type { DataInfo } from "../train/index.ts";
import type { Interval } from "./statistics.ts";

export interface CompareResults {
  readonly format: 1;
  readonly title: string;
  readonly versions: { readonly moeut: string; readonly node: string };
  readonly adapter: AdapterName;
  readonly data: DataInfo & { readonly bytes_per_token: number };
  readonly budget: { readonly steps: number; readonly batch: number; readonly seq_len: number; readonly tokens: number };
  readonly seeds: readonly number[];
  /** Held-out sequences behind each final loss, the same for all. */
  readonly validation_sequences: number;
  /** What differences are taken against. */
  readonly baseline: string;
  readonly variants: readonly VariantResult[];
  /** How the numbers were made, for readers. */
  readonly method: readonly string[];
}

export interface VariantResult {
  readonly name: string;
  readonly spec_hash: string;
  /** Resolved, canonical. */
  readonly spec: string;
  /** Against the baseline's, as "-" and "+" lines; null for the baseline. */
  readonly spec_diff: string | null;
  readonly parameters: { readonly unique: number; readonly active: number };
  /** Multiply-accumulates of one forward pass, per token, by convention. */
  readonly macs_per_token: { readonly moeut: number; readonly full: number };
  readonly memory_bytes: number;
  /** Median over all steps of all runs; ratio to the baseline in this comparison. */
  readonly step_seconds: { readonly median: number; readonly ratio: number } | null;
  /** Final, over the runs that did not diverge; null if all did. */
  readonly validation_loss: { readonly mean: number; readonly sd: number | null } | null;
  readonly perplexity: number | null;
  readonly bits_per_byte: number | null;
  /** This variant's final loss less the baseline's, paired by seed; null for the baseline and where no pair is complete. */
  readonly difference: Difference | null;
  readonly runs: readonly RunResult[];
  readonly sample: Sample | null;
}

export interface Difference {
  readonly mean: number;
  /** 95 %, bootstrap over sequences and seeds. */
  readonly interval: Interval;
  /** 95 %, Student's t over seeds; null for one seed. */
  readonly seed_interval: Interval | null;
  readonly per_seed: readonly { readonly seed: number; readonly difference: number }[];
}

export interface RunResult {
  readonly seed: number;
  /** Relative to results.json. */
  readonly folder: string;
  /** What went wrong, or null. */
  readonly diverged: string | null;
  readonly validation_loss: number | null;
  /** Training loss (cross-entropy) per step, thinned, and held-out loss where it was measured. */
  readonly curve: readonly { readonly step: number; readonly train_loss: number; readonly validation_loss: number | null }[];
}

export interface Sample {
  readonly seed: number;
  readonly prompt: string;
  readonly text: string;
}
