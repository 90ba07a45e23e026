/** Documents to a folder of tokens, shard by shard: what is done stays done, whenever the process ends. */
import type { Document } from "../data/document.ts";
import type { Tokenizer } from "../data/index.ts";
import { UserError } from "../errors.ts";
import { entriesOf } from "../files/folder.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import { batchesOf, type Batch } from "./batches.ts";
import { tokenBytes, type Encoded } from "./encode.ts";
import { createEncoder, type Encoder } from "./encoder.ts";
import { isCorpus, PARTS, readIndex, tokenizerPath, writeIndex, type CorpusIndex, type Settings, type Shard } from "./index-file.ts";
import { damageOf, writeShard } from "./shard.ts";

export interface PrepareOptions {
  readonly folder: string;
  readonly source: readonly string[];
  readonly documents: AsyncIterable<Document>;
  readonly tokenizer: Tokenizer;
  /** See Settings. */
  readonly validation: number;
  readonly field: string;
  readonly between: string;
  readonly threads: number;
  /** Told after every batch how many bytes of text are done, and of them how many were done before. */
  readonly onProgress: (text: number, kept: number) => void;
  readonly note: (text: string) => void;
}

/** The folder must be held (withOwnFolder). UserError if it holds something else, or what was made of another text or in another way. */
export async function prepare(options: PrepareOptions): Promise<CorpusIndex> {
  const { folder, tokenizer, threads, validation } = options;
  const index = openIndex(options);
  if (tokenizer.file !== undefined) writeAtomic(tokenizerPath(folder), tokenizer.file);
  if (!isCorpus(folder)) writeIndex(folder, index); // behind the tokenizer: a folder with an index is a corpus
  const encoder = createEncoder(tokenizer, tokenizerPath(folder), validation, threads);
  try {
    const shards = await makeShards(options, index, encoder);
    writeIndex(folder, { ...index, complete: true, shards });
    return readIndex(folder);
  } finally {
    encoder.close();
  }
}

/** The index that is there, or a new one. */
function openIndex(options: PrepareOptions): CorpusIndex {
  const { folder, tokenizer, source, validation, field, between } = options;
  const settings: Settings = {
    tokenizer: { id: tokenizer.id, vocab_size: tokenizer.vocabSize, end_of_text: tokenizer.endOfText }, validation, field, between,
  };
  if (isCorpus(folder)) {
    const index = readIndex(folder);
    requireSame(folder, settings, index);
    return index;
  }
  const others = entriesOf(folder).filter((name) => name !== "tokenizer.json");
  if (others.length > 0) throw new UserError(`${folder} holds something else than a prepared corpus; choose another folder with --out`);
  return {
    format: "moeut-data", version: 1, complete: false, source, ...settings, token_bytes: tokenBytes(tokenizer.vocabSize), shards: [],
  };
}

const REMEDY = "undo the change, or choose another folder with --out";

function requireSame(folder: string, now: Settings, then: Settings): void {
  const differs = (what: string, a: unknown, b: unknown): void => {
    const [before, after] = [JSON.stringify(b), JSON.stringify(a)];
    if (before !== after) throw new UserError(`${folder} was begun with ${what} ${before}, and now it is ${after}; ${REMEDY}`);
  };
  differs("the tokenizer", now.tokenizer.id, then.tokenizer.id);
  differs("--validation", now.validation, then.validation);
  differs("--field", now.field, then.field);
  differs("--between", now.between, then.between);
}

async function makeShards(options: PrepareOptions, index: CorpusIndex, encoder: Encoder): Promise<readonly Shard[]> {
  const { folder, onProgress } = options;
  const shards = new Map(index.shards.map((shard) => [Number(shard.name), shard]));
  const sorted = (): readonly Shard[] => [...shards].sort(([a], [b]) => a - b).map(([, shard]) => shard);
  let [text, kept, last] = [0, 0, -1];
  const isKept = keeper(options, shards);
  const unfinished = async function* (): AsyncGenerator<Batch> {
    for await (const batch of batchesOf(options.documents)) {
      last = batch.shard;
      if (!isKept(batch)) yield batch;
      else onProgress(text += batch.text.length, kept += batch.text.length);
    }
  };
  let encoded: Encoded[] = [];
  for await (const { shard, shardSha256, length, parts } of inOrder(unfinished(), encoder)) {
    encoded.push(parts);
    onProgress(text += length, kept);
    if (shardSha256 === null) continue;
    shards.set(shard, writeShard(folder, String(shard).padStart(5, "0"), shardSha256, encoded));
    encoded = [];
    writeIndex(folder, { ...index, complete: false, shards: sorted() });
  }
  if (Math.max(-1, ...shards.keys()) > last) throw changed(folder);
  return sorted();
}

/** Whether a batch is of a shard that is there and sound. UserError if a shard, sound or not, was made of another text. */
function keeper({ folder, note }: PrepareOptions, shards: ReadonlyMap<number, Shard>): (batch: Batch) => boolean {
  let decided = { shard: -1, isKept: false };
  return ({ shard, shardSha256 }) => {
    const known = shards.get(shard);
    if (decided.shard !== shard) {
      const damages = known === undefined ? [] : PARTS.flatMap((part) => damageOf(folder, part, known) ?? []);
      for (const damage of damages) note(`${damage}; it is made anew`);
      decided = { shard, isKept: known !== undefined && damages.length === 0 };
    }
    if (known !== undefined && shardSha256 !== null && shardSha256 !== known.text_sha256) throw changed(folder);
    return decided.isKept;
  };
}

const changed = (folder: string): UserError =>
  new UserError(`the source is not what ${folder} was begun with: texts were changed, added or left out; ${REMEDY}`);

interface EncodedBatch extends Pick<Batch, "shard" | "shardSha256"> {
  /** Bytes of text. */
  readonly length: number;
  readonly parts: Encoded;
}

/** As many at once as the encoder wants, each in its turn. */
async function* inOrder(batches: AsyncIterable<Batch>, encoder: Encoder): AsyncGenerator<EncodedBatch> {
  const waiting: Promise<EncodedBatch>[] = [];
  for await (const batch of batches) {
    const { shard, shardSha256, text: { length } } = batch;
    const encoded = encoder.encode(batch).then((parts) => ({ shard, shardSha256, length, parts }));
    encoded.catch(() => {}); // it is waited for in its turn, and may fail before
    waiting.push(encoded);
    if (waiting.length >= encoder.ahead) yield await waiting.shift()!;
  }
  while (waiting.length > 0) yield await waiting.shift()!;
}
