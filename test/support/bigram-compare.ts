/** Comparisons of bigram models, without a device. */
import { compareVariants } from "../../runtime/compare/index.ts";
import { writeStepTimes } from "../../runtime/compare/folder.ts";
import type { CompareResults } from "../../runtime/compare/results.ts";
import type { CompareHooks, CompareOptions } from "../../runtime/compare/run.ts";
import type { Variant } from "../../runtime/compare/variant.ts";
import type { About } from "../../runtime/compare/summary.ts";
import { UserError } from "../../runtime/errors.ts";
import type { Session } from "../../runtime/session.ts";
import { byteTokenizer } from "../../runtime/data/index.ts";
import type { RunInfo } from "../../runtime/train/index.ts";
import { bigramParams, createBigram } from "./bigram-executor.ts";
import { BIGRAM_RECIPE as RECIPE, bigramData, T, V } from "./bigram-run.ts";

export const DATA = { source: ["pattern"], id: "pattern", tokenizer: "bytes", tokens: 1000 };

export interface BigramVariant {
  readonly lr?: number;
  readonly accumulate?: number;
  readonly steps?: number;
  readonly checkpointEvery?: number;
  /** Update whose gradient is not finite; 0: none. */
  readonly breakAt?: number;
  readonly specHash?: string;
  /** Held-out losses are not numbers. */
  readonly nanLoss?: boolean;
  /** What opening throws. */
  readonly trainError?: Error;
  readonly sampleError?: Error;
  /**
   * It repeats so often. At any other number it loses a tenth of a nat and gets nothing right; it has no more than 9, cannot be opened at
   * 7, and breaks at 8.
   */
  readonly passes?: number;
}

/** The bigram model under its own learning rate and batch split, or with something that breaks. */
export function variant(name: string, settings: BigramVariant = {}): Variant {
  const { lr = 0.1, accumulate = 1, steps = RECIPE.steps, checkpointEvery = 0, breakAt = 0, specHash = name, nanLoss = false, trainError, sampleError } = settings;
  const { passes: trained = 1 } = settings;
  const recipe = { ...RECIPE, optimizer: { ...RECIPE.optimizer, lr }, accumulate, steps };
  return {
    name, stem: name, spec: `model ${name} {\n  lr ${lr}\n}\n`, specHash, parameters: { unique: 272, active: 32 },
    applied: { once: 0, repeated: trained - 1, passes: trained }, family: "bigram",
    macsPerToken: { moeut: 16, full: 32 }, seqLen: T, recipe, checkpointEvery,
    info: (seed, adapter): RunInfo => ({ format: 1, model: name, specHash, seed, recipe, data: DATA, versions: { moeut: "0", node: "0" }, adapter }),
    open: async (purpose) => {
      const error = purpose === "train" ? trainError : sampleError;
      if (error !== undefined) throw error;
      return open(nanLoss ? Number.NaN : 0);
    },
    atPasses: (passes) => (passes > 9 ? { problem: `${name} can have 9 passes at most` } : {
      macsPerToken: (32 * passes) / trained,
      open: async () => {
        if (passes === 7) throw new UserError("seven is too many");
        if (passes === 8) throw new TypeError("eight is a bug");
        return open(passes === trained ? 0 : 0.1);
      },
    }),
  };

  function open(more: number): Session {
    const executor = createBigram({ vocabSize: V, batch: RECIPE.batch / accumulate, seqLen: T, breakAt });
    const run: typeof executor.run = async (entries, reads) => {
      const result = await executor.run(entries, reads);
      const losses = result["evaluate/token_loss"];
      losses?.set(losses.map((loss) => loss + more));
      if (more > 0) result["evaluate/best"]?.fill(V);
      return result;
    };
    return {
      model: {} as never, executor: { ...executor, run }, params: bigramParams(V), routers: [], memoryBytes: 4096,
      adapter: { kind: "none", name: "plain loops" }, close: () => {},
    };
  }
}

export const optionsOf = (
  out: string, variants: readonly Variant[], seeds: readonly number[], change: Partial<CompareOptions> = {},
): CompareOptions => ({
  out, variants, seeds, tokenizer: { ...byteTokenizer, vocabSize: V }, data: async (seed, batch) => bigramData(seed, batch),
  evalEvery: 10, evalTokens: 60, finalTokens: 120, depths: null, prompt: null, sampleTokens: 8, gather: false, onlyRuns: false,
  tasks: [], scoreAt: [], tuning: null, since: Date.now(), ...change,
});

export const aboutOf = (variants: readonly Variant[], baseline = variants[0]!.name): About => ({
  title: "fast & slow <compared>", settings: {}, baseline, margin: 0.01, taskMargin: 0.01, data: DATA, heldOut: "other rows of the pattern",
  versions: { moeut: "0", node: "0" }, environment: { command: "moeut compare 'a b'", system: "none", processors: "none" },
  budget: { steps: RECIPE.steps, batch: RECIPE.batch, seq_len: T, tokens: RECIPE.steps * RECIPE.batch * T, given: null },
});

export const compare = (
  out: string, variants: readonly Variant[], seeds: readonly number[], hooks: CompareHooks = {}, change: Partial<CompareOptions> = {},
): Promise<CompareResults | null> =>
  compareVariants(optionsOf(out, variants, seeds, change), aboutOf(variants), hooks);

/** Step times are known in the folder, which would take seconds to measure. */
export function timesKnown(out: string, names: readonly string[] = ["fast", "slow", "slower", "split", "wild", "huge"]): string {
  writeStepTimes(out, {
    format: 1, adapter: { kind: "none", name: "none" },
    variants: Object.fromEntries(names.map((name) => [name, { specHash: name, rounds: [1, 2] }])),
  });
  return out;
}

/** Without wall times. */
export const timeless = (results: CompareResults | null): unknown =>
  results && { ...results, variants: results.variants.map((v) => ({ ...v, step_seconds: null, train_seconds: null })) };

/** Hooks that count the steps that are trained. */
export function countSteps(): CompareHooks & { readonly steps: () => number } {
  let steps = 0;
  return { onStep: () => void steps++, steps: () => steps };
}
