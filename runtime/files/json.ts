/** JSON files, whoever wrote them. */
import { readFileSync } from "node:fs";
import { cannotRead, UserError } from "../errors.ts";
import { duplicateKey } from "../standalone/safetensors-header.ts";

/** Further down no file of ours goes, and code that walks a value may run out of stack. */
const MAX_DEPTH = 64;

/** The value in a file. UserError, naming it, for what cannot be read, is no JSON in UTF-8, nests too deep, or says something twice. */
export function readJsonFile(path: string): unknown {
  const text = decode(path, read(path));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError(text.trim() === "" ? `${path} is empty` : `${path} is not JSON; it was damaged`);
  }
  if (isDeep(value, MAX_DEPTH)) throw new UserError(`${path} nests deeper than ${MAX_DEPTH} levels`);
  const twice = duplicateKey(text);
  if (twice !== null) throw new UserError(`${path} says "${twice.slice(0, 60)}" twice; which one holds cannot be known`);
  return value;
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** With or without a byte order mark. */
function decode(path: string, bytes: Uint8Array): string {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff) || bytes.subarray(0, 2).includes(0);
  if (bytes.length > 0 && isUtf16) throw new UserError(`${path} is text in UTF-16; save it as UTF-8`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${path} is not text in UTF-8`);
  }
}

const isDeep = (value: unknown, levels: number): boolean =>
  typeof value === "object" && value !== null && (levels === 0 || Object.values(value).some((part) => isDeep(part, levels - 1)));
