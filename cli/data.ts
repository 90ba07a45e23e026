/** The text that a command is given. */
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { openCorpus, type Corpus } from "../runtime/corpus/corpus.ts";
import { isCorpus } from "../runtime/corpus/index-file.ts";
import { loadText, type Data, type Text, type TextOptions, type Tokenizer } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
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

/** What models are trained on: a prepared corpus with its own tokenizer, or a text. UserError if a model has no room for the tokens. */
export async function readTrainingData(
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
