import { readFileSync, statSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { cannotRead, messageOf, systemCode, UserError } from "../errors.ts";
import { glob, isGlob } from "./glob.ts";

/** Files that a source names: itself, or what it matches as a glob. UserError for directories and for no match. */
export function expandFiles(source: string): readonly string[] {
  if (exists(source)) return [source];
  if (!isGlob(source)) throw cannotRead(source, Object.assign(new Error(), { code: "ENOENT" }));
  const files = glob(source);
  if (files.length === 0) throw new UserError(`no file matches ${source}`);
  return files;
}

function exists(path: string): boolean {
  let stats;
  try {
    stats = statSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw cannotRead(path, error);
  }
  if (stats.isDirectory()) throw new UserError(`${path} is a directory; name its files with a glob, for instance "${path.replace(/\/+$/, "")}/**/*.txt"`);
  return true;
}

/**
 * The text of a file as UTF-8 bytes: as it is, or the field `text` of each line of a .jsonl file, one document after the other;
 * unpacked first if the name ends in .gz. Ends with a newline, so that texts do not run into each other.
 */
export function readText(path: string): Uint8Array {
  const bytes = path.endsWith(".gz") ? unpack(path, read(path)) : read(path);
  if (bytes.length === 0) throw new UserError(`${path} is empty`);
  const binary = bytes.indexOf(0);
  if (binary >= 0) throw new UserError(`${path} is not text: byte ${binary} is 0, as in binary or UTF-16 files`);
  const name = path.replace(/\.gz$/, "");
  return endWithNewline(/\.(jsonl|ndjson)$/.test(name) ? jsonlText(path, bytes) : withoutMark(bytes));
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    if (systemCode(error) === "ERR_FS_FILE_TOO_LARGE") throw new UserError(`${path} is larger than 2 GiB; split it and name the parts with a glob`);
    throw cannotRead(path, error);
  }
}

function unpack(path: string, bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new UserError(`${path} is not a sound gzip file: ${messageOf(error)}`);
  }
}

function endWithNewline(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes : Buffer.concat([bytes, Buffer.from("\n")]);
}

/** Without the byte order mark that some editors put in front of UTF-8. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return hasMark ? bytes.subarray(3) : bytes;
}

function jsonlText(path: string, bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let line = 0;
  for (const content of linesOf(withoutMark(bytes))) {
    line++;
    if (content.trim() !== "") parts.push(endWithNewline(Buffer.from(textField(path, line, content))));
  }
  if (parts.length === 0) throw new UserError(`${path} holds no line of JSON`);
  return Buffer.concat(parts);
}

/** Line by line, because the whole may be longer than the longest string. */
function* linesOf(bytes: Uint8Array): Generator<string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let start = 0; start < buffer.length; ) {
    const newline = buffer.indexOf(0x0a, start);
    const end = newline < 0 ? buffer.length : newline;
    yield buffer.toString("utf8", start, end);
    start = end + 1;
  }
}

function textField(path: string, line: number, content: string): string {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new UserError(`${path}:${line}: this line is not JSON; a .jsonl file has one JSON object per line`);
  }
  const text = typeof value === "object" && value !== null ? (value as Record<string, unknown>)["text"] : undefined;
  if (typeof text !== "string") throw new UserError(`${path}:${line}: this line has no field "text" that is a string`);
  return text;
}
