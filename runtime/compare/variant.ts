/** One side of a comparison. */
import type { AppliedParams } from "../../compiler/counts/index.ts";
import type { AdapterName, Session } from "../session.ts";
import type { Recipe } from "../standalone/schedule.ts";
import type { RunInfo } from "../train/index.ts";

/** A model to compare, with everything about it that needs no device. */
export interface Variant {
  readonly name: string;
  /** What its run folders are called: the name, and what a search chose. */
  readonly stem: string;
  readonly spec: string;
  readonly specHash: string;
  readonly parameters: { readonly unique: number; readonly active: number };
  readonly applied: AppliedParams;
  /** Of which kinds of blocks it is made: models of one family differ in size and depth alone. */
  readonly family: string;
  readonly macsPerToken: { readonly moeut: number; readonly full: number };
  readonly seqLen: number;
  readonly recipe: Recipe;
  readonly checkpointEvery: number;
  /** Everything but seed and adapter is the same for all runs of the variant. */
  readonly info: (seed: number, adapter: AdapterName) => RunInfo;
  /** Compiles the model and loads it. */
  readonly open: (purpose: "train" | "generate") => Promise<Session>;
  /** The same weights with what repeats applied another number of times, or why that cannot be. */
  readonly atPasses: (passes: number) => Depth | { readonly problem: string };
}

/** A variant at another depth than it was trained at. */
export interface Depth {
  /** Multiply-accumulates of a forward pass per token, everything counted. */
  readonly macsPerToken: number;
  /** To measure held-out losses. */
  readonly open: () => Promise<Session>;
}

/** A learning rate that a search may choose. */
export interface Candidate {
  readonly lr: number;
  /** The variant as the search trains it. */
  readonly trial: Variant;
  /** As it is compared if this one is chosen. */
  readonly run: Variant;
}

/** A search for each variant's learning rate, on seeds that are not compared. */
export interface Tuning {
  readonly seeds: readonly number[];
  /** null: as long as the runs. */
  readonly steps: number | null;
  /** By name of the variant, in the order that was asked for. */
  readonly candidates: Readonly<Record<string, readonly Candidate[]>>;
}
