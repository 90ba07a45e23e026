/** The field "text" of the objects of JSON and JSONL files, one document after the other. */
import { isUtf8 } from "node:buffer";
import { UserError } from "../errors.ts";

/** A document for each line. UserError, with its number, for the first line that is none. */
export function jsonlText(path: string, bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [line, content] of linesOf(path, bytes)) {
    if (content.trim() !== "") parts.push(document(textField(`${path}:${line}: this line`, parseLine(path, line, content))));
  }
  return Buffer.concat(parts);
}

/** An array of objects or of strings, one object, or, as many .json files are, JSONL. */
export function jsonText(path: string, bytes: Uint8Array): Uint8Array {
  const { value, problem } = parse(path, bytes);
  if (problem === null && Array.isArray(value)) return Buffer.concat(value.map((item, i) => element(`${path}: element ${i + 1}`, item)));
  if (problem === null) return element(`${path}: its value`, value);
  if (beginsWithObject(bytes)) return jsonlText(path, bytes);
  throw new UserError(`${path} is not JSON (${problem}); ${OTHERWISE}`);
}

const OTHERWISE = "to learn it as it is, give it another ending, for instance .txt";

const element = (what: string, value: unknown): Uint8Array =>
  document(typeof value === "string" ? value : textField(what, value, `; ${OTHERWISE}`));

/** The first line is an object by itself. */
function beginsWithObject(bytes: Uint8Array): boolean {
  const newline = bytes.indexOf(0x0a);
  try {
    return newline > 0 && typeof JSON.parse(Buffer.from(bytes.subarray(0, newline)).toString("utf8")) === "object";
  } catch {
    return false;
  }
}

function parse(path: string, bytes: Uint8Array): { readonly value: unknown; readonly problem: string | null } {
  if (!isUtf8(bytes)) throw notUtf8(path, path);
  try {
    return { value: JSON.parse(Buffer.from(bytes).toString("utf8")), problem: null };
  } catch (error) {
    if (error instanceof SyntaxError) return { value: null, problem: error.message };
    throw new UserError(`${path} is too large for one JSON document; make it JSONL, an object in each line`);
  }
}

/** Ends with a newline, so that texts do not run into each other. */
const document = (text: string): Uint8Array => Buffer.from(text.endsWith("\n") ? text : `${text}\n`);

/** Numbers from 1 and contents: line by line, because the whole may be longer than the longest string. */
function* linesOf(path: string, bytes: Uint8Array): Generator<readonly [number, string]> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let start = 0, line = 1; start < buffer.length; line++) {
    const newline = buffer.indexOf(0x0a, start);
    const end = newline < 0 ? buffer.length : newline;
    if (!isUtf8(buffer.subarray(start, end))) throw notUtf8(path, `${path}:${line}: this line`);
    yield [line, buffer.toString("utf8", start, end)];
    start = end + 1;
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

function textField(what: string, value: unknown, hint = ""): string {
  const isObject = typeof value === "object" && value !== null;
  const text = isObject ? (value as Record<string, unknown>)["text"] : undefined;
  if (typeof text === "string") return text;
  const fields = isObject && !Array.isArray(value) ? Object.keys(value).slice(0, 8) : [];
  throw new UserError(`${what} has no field "text" that is a string${fields.length === 0 ? "" : ` (it has ${fields.join(", ")})`}${hint}`);
}
