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
  const index = readJsonFile(indexPath(folder));
  if (isIndex(index)) return index;
  throw new UserError(`${indexPath(folder)} is not the index of a prepared corpus that this version can read`);
}

/** Written last of all, so that what it lists is there. */
export const writeIndex = (folder: string, index: CorpusIndex): void =>
  writeAtomic(indexPath(folder), `${JSON.stringify(index, null, 1)}\n`);

type Unknown<T> = { readonly [K in keyof T]?: unknown };
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isObject = <T>(value: unknown): value is Unknown<T> => typeof value === "object" && value !== null;

function isIndex(value: unknown): value is CorpusIndex {
  if (!isObject<CorpusIndex>(value) || !isObject<Settings["tokenizer"]>(value.tokenizer)) return false;
  const { format, version, complete, tokenizer, token_bytes: width, source, validation, field, between, shards } = value;
  return format === "moeut-data" && version === 1 && typeof complete === "boolean" && (width === 2 || width === 4)
    && typeof tokenizer.id === "string" && isCount(tokenizer.vocab_size)
    && (tokenizer.end_of_text === null || isCount(tokenizer.end_of_text))
    && Array.isArray(source) && typeof validation === "number" && typeof field === "string" && typeof between === "string"
    && Array.isArray(shards) && shards.every(isShard);
}

const isShard = (value: unknown): boolean => isObject<Shard>(value) && typeof value.name === "string" && /^\d{5,}$/.test(value.name)
  && typeof value.text_sha256 === "string" && PARTS.every((part) => isPart(value[part]));

const isPart = (value: unknown): boolean => isObject<Part>(value) && [value.tokens, value.documents, value.bytes].every(isCount)
  && [value.tokens_sha256, value.documents_sha256].every((hash) => typeof hash === "string");
