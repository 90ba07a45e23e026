/** Trains every variant with every seed, one run after the other, and measures each once at its end. */
import { join } from "node:path";
import type { Dataset, Tokenizer } from "../data/index.ts";
import { decodeText } from "../data/index.ts";
import { evaluate } from "../evaluate/index.ts";
import { generateText } from "../generate/index.ts";
import type { Session } from "../session.ts";
import { currentCheckpoint, Diverged, loadWeights, startRun, train, weightsPath, type RunInfo, type StepRecord } from "../train/index.ts";
import { readFinal, runFolder, writeFinal, type FinalRecord } from "./folder.ts";
import type { Sample } from "./results.ts";

/** A model to compare, with everything about it that needs no device. */
export interface Variant {
  readonly name: string;
  readonly spec: string;
  readonly specHash: string;
  readonly parameters: { readonly unique: number; readonly active: number };
  readonly macsPerToken: { readonly moeut: number; readonly full: number };
  readonly seqLen: number;
  readonly checkpointEvery: number;
  /** Everything but the seed is the same for all runs of the variant. */
  readonly info: (seed: number, session: Session) => RunInfo;
  /** Compiles the model and loads it. Sessions are closed before the next is opened. */
  readonly open: (purpose: "train" | "generate") => Promise<Session>;
}

export interface CompareOptions {
  readonly out: string;
  readonly variants: readonly Variant[];
  readonly seeds: readonly number[];
  readonly tokenizer: Tokenizer;
  readonly data: (seed: number) => Promise<Dataset>;
  readonly evalEvery: number;
  readonly evalTokens: number;
  readonly finalTokens: number;
  /** null: the beginning of the first held-out sequence. */
  readonly prompt: string | null;
  readonly sampleTokens: number;
}

export interface CompareHooks {
  readonly onRun?: (variant: Variant, seed: number, index: number, total: number) => void;
  readonly onStart?: (variant: Variant, session: Session, done: number) => void;
  readonly onStep?: (variant: Variant, seed: number, record: StepRecord) => void;
  /** What happens beside training: "measuring", "sampling". */
  readonly onPhase?: (text: string) => void;
  readonly onDone?: (variant: Variant, seed: number, final: FinalRecord) => void;
  readonly shouldStop?: () => boolean;
}

/** Seeds are the outer loop, so that an unfinished comparison has something to say about all variants. @returns false if stopped early */
export async function runComparison(options: CompareOptions, hooks: CompareHooks = {}): Promise<boolean> {
  const total = options.seeds.length * options.variants.length;
  let index = 0;
  for (const seed of options.seeds) {
    for (const variant of options.variants) {
      index++;
      if (readFinal(join(options.out, runFolder(variant.name, seed))) !== null) continue;
      hooks.onRun?.(variant, seed, index, total);
      const final = await oneRun(options, variant, seed, hooks);
      if (final === null) return false;
      hooks.onDone?.(variant, seed, final);
    }
  }
  return true;
}

async function oneRun(options: CompareOptions, variant: Variant, seed: number, hooks: CompareHooks): Promise<FinalRecord | null> {
  const folder = join(options.out, runFolder(variant.name, seed));
  const data = await options.data(seed);
  const session = await variant.open("train");
  const measured = await trainAndMeasure(options, variant, seed, session, data, folder, hooks).finally(() => session.close());
  if (measured === null) return null;
  const wantsSample = seed === options.seeds[0] && measured.diverged === null;
  const final = wantsSample ? { ...measured, sample: await takeSample(options, variant, seed, data, folder, hooks) } : measured;
  writeFinal(folder, final);
  return final;
}

/** @returns null if stopped before the end */
async function trainAndMeasure(options: CompareOptions, variant: Variant, seed: number, session: Session, data: Dataset, folder: string, hooks: CompareHooks): Promise<FinalRecord | null> {
  const { executor, params, memoryBytes, adapter } = session;
  const info = variant.info(seed, session);
  const done = startRun({ folder, spec: variant.spec, info, executor, params, resume: true });
  hooks.onStart?.(variant, session, done);
  const about = { format: 1, bytesPerToken: data.bytesPerToken, memoryBytes, adapter, sample: null } as const;
  const { evalEvery, evalTokens } = options;
  try {
    const trainOptions = { folder, info, executor, params, data, done, evalEvery, evalTokens, checkpointEvery: variant.checkpointEvery };
    const { finished } = await train(trainOptions, { onStep: (record) => hooks.onStep?.(variant, seed, record), ...(hooks.shouldStop && { shouldStop: hooks.shouldStop }) });
    if (!finished) return null;
  } catch (error) {
    if (error instanceof Diverged) return { ...about, diverged: error.message, sequences: [] };
    throw error;
  }
  hooks.onPhase?.(`measuring ${variant.name} on held-out data …`);
  const { sequences } = await evaluate(executor, data.validationBatches(options.finalTokens), data.bytesPerToken);
  return { ...about, diverged: null, sequences };
}

async function takeSample(options: CompareOptions, variant: Variant, seed: number, data: Dataset, folder: string, hooks: CompareHooks): Promise<Sample> {
  hooks.onPhase?.(`sampling from ${variant.name} …`);
  const { tokenizer, sampleTokens } = options;
  const prompt = options.prompt ?? firstWords(data, tokenizer, variant.seqLen);
  const session = await variant.open("generate");
  try {
    loadWeights(weightsPath(currentCheckpoint(folder)!), session.executor, session.params);
    const pieces: string[] = [];
    const sampling = { maxTokens: sampleTokens, seqLen: variant.seqLen, temperature: 0.7, topK: null, topP: null, seed: 0 };
    for await (const piece of generateText(session.executor, tokenizer, prompt, sampling)) pieces.push(piece);
    return { seed, prompt, text: pieces.join("") };
  } finally {
    session.close();
  }
}

const PROMPT_TOKENS = 48;

function firstWords(data: Dataset, tokenizer: Tokenizer, seqLen: number): string {
  const { tokens } = data.validationBatches(1).next().value!;
  return decodeText(tokenizer, tokens.subarray(0, Math.min(PROMPT_TOKENS, Math.ceil(seqLen / 2))));
}
