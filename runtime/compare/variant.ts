/** One side of a comparison. */
import type { AppliedParams } from "../../compiler/counts/index.ts";
import type { AdapterName, Session } from "../session.ts";
import type { Recipe } from "../standalone/schedule.ts";
import type { RunInfo } from "../train/index.ts";

/** A model to compare, with everything about it that needs no device. */
export interface Variant {
  readonly name: string;
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
