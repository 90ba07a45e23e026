/** What `eval` measures: text that training held out, or another text and what is known about it. */
import type { Corpus } from "../../runtime/corpus/corpus.ts";
import { canReadAgain, inMemory, loadText, measuredText, sharedTokens, splitText } from "../../runtime/data/index.ts";
import type { MeasuredText, Text, TokenArray } from "../../runtime/data/index.ts";
import { PLAIN } from "../../runtime/data/document.ts";
import { sourceDocuments } from "../../runtime/data/source.ts";
import { UserError } from "../../runtime/errors.ts";
import { coveredText, type Covered } from "../../runtime/evaluate/covered.ts";
import { startToken } from "../../runtime/tasks/requests.ts";
import type { DataInfo } from "../../runtime/train/index.ts";
import { grouped } from "../../runtime/units.ts";
import { corpusOf, readData } from "../data.ts";
import { say } from "../terminal.ts";
import type { TrainedRun } from "../trained-run.ts";

/** A text, and what is known about it. */
export interface EvalText extends MeasuredText {
  /** What the tokens stand for where that is more than they themselves say; null: see coveredBy. */
  readonly covered: Covered | null;
  /** What the measured text has to do with training. */
  readonly words: string;
  /** Share of the measured text that also occurs in the text of training; null where that is not known, and for what was held out. */
  readonly seen: number | null;
  readonly bytesPerToken: number;
}

/** Reads the source once, whatever it is. */
export async function readEvalText(trained: TrainedRun, source: readonly string[]): Promise<EvalText> {
  const corpus = corpusOf(source);
  if (corpus !== null) return preparedText(trained, corpus);
  const text = await readData(source, { tokenizer: trained.tokenizer, vocabSize: trained.model.vocabSize });
  const measured = measuredText(text, { id: trained.info.data.id, seqLen: trained.trainedSeqLen });
  const { bytesPerToken } = text;
  const words = heldOutWords(measured, trained.trainedSeqLen);
  if (measured.heldOut) return { ...measured, words, seen: null, covered: null, bytesPerToken };
  return { ...measured, covered: null, ...await comparedWithTraining(trained, source, text.tokens), bytesPerToken };
}

/** What a prepared corpus holds out. UserError if its tokens are not those of the run. */
function preparedText({ info, tokenizer, trainedSeqLen }: TrainedRun, corpus: Corpus): EvalText {
  const { name, validation: tokens, bytesPerToken } = corpus;
  if (corpus.tokenizer !== tokenizer.id) throw new UserError(`${name} was prepared with another tokenizer than the run was trained with`);
  const dataId = corpus.split(trainedSeqLen).id;
  const heldOut = dataId === info.data.id;
  const words = heldOut ? "held out from training: the documents that the corpus holds out"
    : `what ${name} holds out; whether the run was trained on it is not known`;
  return { dataId, heldOut, tokens, spans: [{ start: 0, end: tokens.length }], words, seen: null, covered: null, bytesPerToken };
}

/** All of its documents, each behind a start token. UserError for a prepared corpus, which has no text any more. */
export async function readEvalDocuments(trained: TrainedRun, source: readonly string[]): Promise<EvalText> {
  const corpus = corpusOf(source);
  if (corpus !== null) throw new UserError(`--protocol harness counts words of documents: name the texts that ${corpus.name} was made of`);
  const documents = await documentsOf(source);
  const start = startToken(trained.tokenizer);
  const encoded = documents.map((text) => [start, ...trained.tokenizer.encode(text)]);
  const tokens = Uint32Array.from(encoded.flat());
  const ends = encoded.map((sum => ({ length }: readonly number[]) => (sum += length))(0));
  const spans = ends.map((end, i) => ({ start: end - encoded[i]!.length, end }));
  const parts = documents.map(coveredText);
  const covered = { bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0), words: parts.reduce((sum, { words }) => sum + words, 0) };
  const known = await comparedWithTraining(trained, source, tokens);
  return { dataId: "", heldOut: false, tokens: inMemory(tokens), spans, covered, ...known, bytesPerToken: covered.bytes / tokens.length };
}

async function documentsOf(source: readonly string[]): Promise<readonly Uint8Array[]> {
  const documents: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for await (const { text, continues } of sourceDocuments(source, PLAIN, (note) => say(`note: ${note}`))) {
    parts.push(text);
    if (continues) continue;
    documents.push(Buffer.concat(parts));
    parts = [];
  }
  return documents.filter(({ length }) => length > 0);
}

const heldOutWords = ({ spans }: MeasuredText, seqLen: number): string =>
  `held out from training: ${spans.length === 1 ? "one piece" : `${grouped(spans.length)} pieces of ${grouped(seqLen + 1)} tokens`}`;

async function comparedWithTraining(
  trained: TrainedRun, source: readonly string[], tokens: TokenArray,
): Promise<Pick<EvalText, "words" | "seen">> {
  const { data } = trained.info;
  if (data.id === "") return { words: "all of it; what the weights were trained on is not known", seen: null };
  const training = await trainingText(trained);
  if (training === null) return { words: withoutTrainingText(source, tokens.length, data), seen: null };
  const seen = sharedTokens(tokens, training.tokens) / Math.max(1, tokens.length);
  if (seen === 0) return { words: "all of it; it shares no passage with the text of training", seen };
  return { words: `NOT HELD OUT: ${percent(seen)} of it also occurs in the text of training`, seen };
}

function withoutTrainingText(source: readonly string[], now: number, data: DataInfo): string {
  const isChanged = canReadAgain(source) && source.join("\n") === data.source.join("\n");
  if (!isChanged) return `all of it, trained on or not: the text of training (${data.source.join(" ")}) cannot be read again to compare`;
  const sizes = `${grouped(data.tokens)} tokens then, ${grouped(now)} now`;
  return `NOT HELD OUT: ${source.join(" ")} changed since training (${sizes}), so what was trained on cannot be told apart`;
}

const percent = (share: number): string => (share > 0.9995 ? "all" : share < 0.0005 ? "less than 0.1 %" : `${(100 * share).toFixed(1)} %`);

/** Beyond that, comparing takes longer than most evaluations. */
const LONGEST_COMPARED = 2 ** 28;

/** The text that the run was trained on, if it is still there and still the same. */
async function trainingText({ tokenizer, info: { data }, trainedSeqLen }: TrainedRun): Promise<Text | null> {
  if (data.tokens > LONGEST_COMPARED) return null;
  try {
    if (!canReadAgain(data.source)) return null;
    const text = await loadText(data.source, { tokenizer });
    return splitText(text, trainedSeqLen).id === data.id ? text : null;
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}
