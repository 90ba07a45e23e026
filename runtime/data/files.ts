import { isCorpus } from "../corpus/index-file.ts";
import { cannotRead, UserError } from "../errors.ts";
import type { Document, DocumentOptions, TextPieces } from "./document.ts";
import { createTextDecoding, type Found, type TextDecoding } from "./encoding.ts";
import { filesBelow, glob, isGlob } from "./glob.ts";
import { jsonDocuments, jsonlDocuments } from "./json-text.ts";
import { parquetDocuments } from "./parquet.ts";
import { passagesOf } from "./passages.ts";
import { isDirectory, isReadable, readPieces } from "./read.ts";
import { tableDocuments } from "./table.ts";
import { unpacked, unpackedName } from "./unpack.ts";

/** Files that a source names: itself, those below it if it is a directory, or what it matches as a glob. UserError for no match. */
export function expandFiles(source: string): readonly string[] {
  if (source === "") throw new UserError("a name among the data is empty");
  if (isReadable(source)) return [source];
  if (isCorpus(source)) throw new UserError(`${source} is a prepared corpus: its tokens are data as they are, and no text`);
  const files = isDirectory(source) ? filesBelow(source) : isGlob(source) ? glob(source) : null;
  if (files === null) throw cannotRead(source, Object.assign(new Error(), { code: "ENOENT" }));
  if (files.length === 0) throw new UserError(`no file ${isDirectory(source) ? "is in" : "matches"} ${source}`);
  return files;
}

interface FileFacts {
  readonly path: string;
  readonly isEmpty: boolean;
  readonly encoding: Found;
}

/** The documents of files, one file after the other. UserError if all are empty, or for what cannot be read, with file, line and reason. */
export async function* documentsOf(
  paths: readonly string[], options: DocumentOptions, note: (text: string) => void,
): AsyncGenerator<Document> {
  const files: FileFacts[] = [];
  for (const path of paths) files.push(yield* fileDocuments(path, options));
  if (files.every(({ isEmpty }) => isEmpty))
    throw new UserError(paths.length === 1 ? `${paths[0]} is empty` : `all ${paths.length} files are empty: ${listed(paths)}`);
  notesOn(files).forEach(note);
}

async function* fileDocuments(path: string, options: DocumentOptions): AsyncGenerator<Document, FileFacts> {
  const decoding = createTextDecoding(path);
  let isEmpty = true;
  for await (const document of kindOf(path, options)(path, () => decoded(path, decoding, options), options)) {
    isEmpty = false;
    yield document;
  }
  return { path, isEmpty, encoding: decoding.found() };
}

type Kind = (path: string, text: TextPieces, options: DocumentOptions) => AsyncGenerator<Document>;

function kindOf(path: string, { tables }: DocumentOptions): Kind {
  const name = unpackedName(path);
  if (/\.(jsonl|ndjson)$/i.test(name)) return jsonlDocuments;
  if (/\.json$/i.test(name)) return jsonDocuments;
  if (/\.parquet$/i.test(name)) return parquetDocuments;
  return tables && /\.[ct]sv$/i.test(name) ? tableDocuments : passagesOf;
}

async function* decoded(path: string, decoding: TextDecoding, { onRead }: DocumentOptions): AsyncGenerator<Uint8Array> {
  for await (const piece of unpacked(path, counted(readPieces(path), onRead))) yield decoding.push(piece);
  yield decoding.end();
}

function* counted(pieces: Iterable<Uint8Array>, onRead: DocumentOptions["onRead"]): Generator<Uint8Array> {
  for (const piece of pieces) {
    onRead(piece.length);
    yield piece;
  }
}

const CONVERT = "Convert text of another encoding, for instance with iconv -f GBK -t UTF-8";

/** What is unusual about the files, one sentence for each kind. */
function notesOn(files: readonly FileFacts[]): readonly string[] {
  const seen = new Set<string>();
  const again = files.filter(({ path }) => seen.has(path) || !seen.add(path));
  const note = (which: readonly FileFacts[], words: string): readonly string[] =>
    which.length === 0 ? [] : [`${listed(which.map(({ path }) => path))} ${which.length === 1 ? "is" : "are"} ${words}`];
  const isMarked = ({ encoding }: FileFacts): boolean => encoding !== null && encoding !== "unknown";
  return [
    ...note(files.filter(({ isEmpty }) => isEmpty), "empty and skipped"),
    ...note(files.filter(({ encoding }) => encoding === "unknown"), `not UTF-8; the bytes are taken as they are. ${CONVERT}`),
    ...note(files.filter(isMarked), "UTF-16 or UTF-32, as the mark at the beginning says, and read as such"),
    ...note(again, "named more than once, so what is held out of one copy is trained on in another"),
  ];
}

/** At most three, then how many more. */
export const listed = (paths: readonly string[]): string =>
  `${paths.slice(0, 3).join(", ")}${paths.length > 3 ? ` and ${paths.length - 3} more` : ""}`;
