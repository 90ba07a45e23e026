/** The text that a command is given. */
import { isCausal } from "../compiler/compile.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { openCorpus, type Corpus } from "../runtime/corpus/corpus.ts";
import { isCorpus } from "../runtime/corpus/index-file.ts";
import {
  datasetOf, loadText, type Data, type Dataset, type SplitOptions, type Text, type TextOptions, type Tokenizer,
} from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { pairData, pairDataset } from "../runtime/pairs/data.ts";
import type { PairTask } from "../runtime/pairs/pair.ts";
import { pairTask } from "../runtime/pairs/tasks.ts";
import { endingAtOnce } from "./interrupt.ts";
import { say } from "./terminal.ts";
import { requireFit, tokenizerFor } from "./tokenizer.ts";

/** The prepared corpus that a source is, or null. UserError if it is mixed with others, or not finished. */
export function corpusOf(source: readonly string[]): Corpus | null {
  const folder = source.find(isCorpus);
  if (folder === undefined) return null;
  if (source.length > 1) throw new UserError(`${folder} is a prepared corpus, which cannot be mixed with other data`);
  return openCorpus(folder);
}

/** What models are trained on, read once. */
export interface TrainingData {
  readonly tokenizer: Tokenizer;
  /** Who says what is held out; of pairs, some that are no test items. */
  readonly heldOutBy: Data["heldOutBy"] | "pairs";
  readonly dataset: (options: Pick<SplitOptions, "seqLen" | "batch" | "seed">) => Dataset;
}

/** Pairs of a task, a prepared corpus with its own tokenizer, or a text. UserError if a model has no room for the tokens. */
export async function readTrainingData(
  source: readonly string[], models: readonly ModelSpec[], options: { readonly tokenizer?: string },
): Promise<TrainingData> {
  const task = pairTask(source);
  if (task !== null) return pairsFor(task, source[0]!, models, options);
  const { data, tokenizer } = await streamFor(source, models, options);
  return { tokenizer, heldOutBy: data.heldOutBy, dataset: (split) => datasetOf(data, split) };
}

function pairsFor(task: PairTask, source: string, models: readonly ModelSpec[], options: { readonly tokenizer?: string }): TrainingData {
  if (options.tokenizer !== undefined) throw new UserError(`the tokens of ${source} are its words: leave --tokenizer out`);
  const seeing = models.find((model) => !isCausal(model));
  if (seeing !== undefined) {
    throw new UserError(`model ${seeing.name} has attention with \`causal false\`: it would read the answers that it is to give`);
  }
  const data = pairData(task);
  requireFit(`the vocabulary of ${source}`, data.tokenizer, models);
  return { tokenizer: data.tokenizer, heldOutBy: "pairs", dataset: (split) => pairDataset(data, split) };
}

async function streamFor(
  source: readonly string[], models: readonly ModelSpec[], options: { readonly tokenizer?: string },
): Promise<{ readonly data: Data; readonly tokenizer: Tokenizer }> {
  const corpus = corpusOf(source);
  const tokenizer = corpus?.tokenizerOf ?? tokenizerFor(options, models);
  const vocabSize = Math.min(...models.map((model) => model.vocabSize));
  if (corpus === null) return { tokenizer, data: await readData(source, { tokenizer, vocabSize }) };
  if (options.tokenizer !== undefined && tokenizerFor(options, []).id !== tokenizer.id) {
    throw new UserError(`${corpus.name} was prepared with another tokenizer than ${options.tokenizer}; leave --tokenizer out`);
  }
  requireFit(corpus.name, tokenizer, models);
  return { data: corpus, tokenizer };
}

/** Reads it once, and says what is unusual about it. */
export async function readData(source: readonly string[], options: TextOptions): Promise<Text> {
  const text = await endingAtOnce(() => loadText(source, options));
  for (const note of text.notes) say(`note: ${note}`);
  return text;
}
