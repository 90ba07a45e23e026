/** Texts in the fields of JSON and JSONL files. */
import { isUtf8 } from "node:buffer";
import { UserError } from "../errors.ts";
import { textAt, whole, type Document, type DocumentOptions, type TextPieces } from "./document.ts";
import { linesOf } from "./lines.ts";

/** A document for each line. UserError, with its number, for the first line that is none. */
export async function* jsonlDocuments(path: string, text: TextPieces, { field }: DocumentOptions): AsyncGenerator<Document> {
  for await (const [line, content] of linesOf(path, text())) {
    if (!isUtf8(content)) throw notUtf8(path, `${path}:${line}: this line`);
    const json = content.toString("utf8");
    if (json.trim() !== "") yield whole(textAt(`${path}:${line}: this line`, parseLine(path, line, json), field));
  }
}

/** An array of objects or of strings, one object, or, as many .json files are, JSONL. Only the last is read as a stream. */
export async function* jsonDocuments(path: string, text: TextPieces, options: DocumentOptions): AsyncGenerator<Document> {
  const { head, all } = await withFirstLine(text());
  if (isObject(head)) return yield* jsonlDocuments(path, all, options);
  const value = await parse(path, all());
  const what = Array.isArray(value) ? (i: number): string => `${path}: element ${i + 1}` : (): string => `${path}: its value`;
  for (const [i, item] of (Array.isArray(value) ? value : [value]).entries()) {
    yield whole(typeof item === "string" ? item : textAt(what(i), item, options.field, `; ${OTHERWISE}`));
  }
}

const OTHERWISE = "to learn it as it is, give it another ending, for instance .txt";

/** Beyond that, no first line of JSONL is expected. */
const LONGEST_FIRST = 2 ** 26; // bytes

/** The first line, or "" if there is no second, and everything with it. */
async function withFirstLine(pieces: AsyncGenerator<Uint8Array>): Promise<{ readonly head: string; readonly all: TextPieces }> {
  const seen: Uint8Array[] = [];
  let head = "";
  for (let length = 0; head === "" && length < LONGEST_FIRST; ) {
    const next = await pieces.next();
    if (next.done === true) break;
    seen.push(next.value);
    length += next.value.length;
    if (next.value.includes(0x0a)) head = Buffer.concat(seen).toString("utf8").split("\n", 1)[0]!;
  }
  return {
    head,
    async *all() {
      yield* seen;
      yield* pieces;
    },
  };
}

/** The line is an object by itself. */
function isObject(line: string): boolean {
  try {
    return line.startsWith("{") && typeof JSON.parse(line) === "object";
  } catch {
    return false;
  }
}

const LONGEST_STRING = 2 ** 29 - 24; // in Node

async function parse(path: string, pieces: AsyncGenerator<Uint8Array>): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    parts.push(piece);
    length += piece.length;
    if (length > LONGEST_STRING) throw new UserError(`${path} is too large for one JSON document; make it JSONL, an object in each line`);
  }
  const bytes = Buffer.concat(parts);
  if (!isUtf8(bytes)) throw notUtf8(path, path);
  if (length === 0) return []; // an empty file has no documents
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new UserError(`${path} is not JSON (${(error as Error).message}); ${OTHERWISE}`);
  }
}

const notUtf8 = (path: string, what: string): UserError =>
  new UserError(`${what} is not UTF-8, and JSON is; convert it, for instance with iconv -f LATIN1 -t UTF-8 ${path}`);

function parseLine(path: string, line: number, content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new UserError(`${path}:${line}: this line is not JSON; a .jsonl file has one JSON object per line`);
  }
}
