/**
 * The folder of a prepared corpus (docs/data-format.md):
 *
 *   index.json                   CorpusIndex
 *   tokenizer.json               unless every byte is a token
 *   train/00000.tokens           tokens of shard 0, little-endian, token_bytes each
 *   train/00000.documents        where in them each document begins, little-endian, 4 bytes each
 *   validation/00000.tokens …    the same of what is held out; a part without tokens has no files
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { readJsonFile } from "../files/json.ts";
import { sha256 } from "../files/sha256.ts";
import { writeAtomic } from "../files/write-atomic.ts";

export const PARTS = ["train", "validation"] as const;
export type PartName = (typeof PARTS)[number];

/** What of a shard is trained on, or held out. */
export interface Part {
  readonly tokens: number;
  readonly documents: number;
  /** Of text. */
  readonly bytes: number;
  readonly tokens_sha256: string;
  readonly documents_sha256: string;
}

export interface Shard extends Readonly<Record<PartName, Part>> {
  readonly name: string;
  /** Of the documents that it was made from. */
  readonly text_sha256: string;
}

/** What decides which tokens come of a text. */
export interface Settings {
  readonly tokenizer: { readonly id: string; readonly vocab_size: number; readonly end_of_text: number | null };
  /** Share of the documents that is held out. */
  readonly validation: number;
  readonly field: string;
  readonly between: string;
}

export interface CorpusIndex extends Settings {
  readonly format: "moeut-data";
  readonly version: 1;
  /** False while it is being made: shards are missing. */
  readonly complete: boolean;
  /** As given on the command line. */
  readonly source: readonly string[];
  readonly token_bytes: 2 | 4;
  readonly shards: readonly Shard[];
}

const indexPath = (folder: string): string => join(folder, "index.json");
export const tokenizerPath = (folder: string): string => join(folder, "tokenizer.json");
export const tokensPath = (folder: string, part: PartName, shard: string): string => join(folder, part, `${shard}.tokens`);
export const documentsPath = (folder: string, part: PartName, shard: string): string => join(folder, part, `${shard}.documents`);

/** The folder holds a prepared corpus, or a part of one, perhaps a damaged one. */
export function isCorpus(folder: string): boolean {
  const path = indexPath(folder);
  return existsSync(path) && statSync(path).isFile() && readFileSync(path, "latin1").includes('"moeut-data"');
}

/** UserError for an index that is damaged or of another version. */
export function readIndex(folder: string): CorpusIndex {
  const path = indexPath(folder);
  const { checksum, ...index } = { ...readJsonFile(path) as Partial<Written> | null };
  if (checksum !== checksumOf(index)) throw new UserError(`${path} was damaged, or changed after it was written; prepare the corpus anew`);
  if (isIndex(index)) return index;
  throw new UserError(`${path} is of another version (${String(index.version)}), which this one cannot read`);
}

const isIndex = (index: Partial<CorpusIndex>): index is CorpusIndex => index.format === "moeut-data" && index.version === 1;

/** Written last of all, so that what it lists is there. */
export const writeIndex = (folder: string, index: CorpusIndex): void =>
  writeAtomic(indexPath(folder), `${JSON.stringify({ ...index, checksum: checksumOf(index) } satisfies Written, null, 1)}\n`);

interface Written extends CorpusIndex {
  /** SHA-256 of everything else, as JSON without spaces. */
  readonly checksum: string;
}

const checksumOf = (index: Partial<CorpusIndex>): string => sha256([JSON.stringify(index)]);
