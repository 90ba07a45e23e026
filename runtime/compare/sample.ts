/** Text from each variant, for readers: no number depends on it, and a variant that cannot write goes without. */
import { decodeText } from "../data/index.ts";
import { generateText } from "../generate/index.ts";
import { loadWeights, openCheckpoint, readRun } from "../train/index.ts";
import { writeFinal } from "./folder.ts";
import { dataOf, firstSoundRun, type CompareHooks, type CompareOptions } from "./run.ts";
import type { Variant } from "./variant.ts";

/** Adds to the record of each variant's first sound run what its model writes. @returns false if stopped early */
export async function takeSamples(options: CompareOptions, hooks: CompareHooks = {}): Promise<boolean> {
  const prompt = options.prompt ?? (await firstWords(options));
  for (const variant of options.variants) {
    const run = firstSoundRun(options, variant);
    if (run === null || run.final.sample?.prompt === prompt) continue;
    const { seed, folder, final } = run;
    hooks.onPhase?.(`sampling from ${variant.name} …`);
    try {
      const text = await write(options, variant, folder, prompt, hooks);
      if (text === null) return false;
      writeFinal(folder, { ...final, sample: { seed, prompt, text } });
    } catch (error) {
      hooks.onMiss?.(`sampling from ${variant.name}`, error);
    }
  }
  return true;
}

/** @returns null if stopped early */
async function write(
  { tokenizer, sampleTokens }: CompareOptions, variant: Variant, folder: string, prompt: string, hooks: CompareHooks,
): Promise<string | null> {
  const session = await variant.open("generate");
  try {
    loadWeights(openCheckpoint(folder, readRun(folder))!.weights, session.executor, session.params);
    let text = "";
    const sampling = { maxTokens: sampleTokens, seqLen: variant.seqLen, temperature: 0.7, topK: null, topP: null, seed: 0 };
    for await (const piece of generateText(session.executor, tokenizer, prompt, sampling)) {
      if (hooks.shouldStop?.() === true) return null;
      text += piece;
    }
    return text;
  } finally {
    session.close();
  }
}

const PROMPT_TOKENS = 48;

async function firstWords(options: CompareOptions): Promise<string> {
  const { seqLen } = options.variants[0]!;
  const data = await dataOf(options, options.variants[0]!, options.seeds[0]!);
  const { tokens } = data.validationBatches(1).next().value!;
  return decodeText(options.tokenizer, tokens.subarray(0, Math.min(PROMPT_TOKENS, Math.ceil(seqLen / 2))));
}
