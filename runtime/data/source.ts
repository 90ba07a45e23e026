import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { EnvironmentError, UserError } from "../errors.ts";
import { closed, PLAIN, type Document, type DocumentOptions } from "./document.ts";
import { documentsOf, expandFiles, listed } from "./files.ts";
import { passagesOf } from "./passages.ts";
import { isRegular, MOST_BYTES, requireBelowMost, sizeOf, tooLarge } from "./read.ts";
import { scanPairs, scanText } from "./scan.ts";

/** Text to learn from, as UTF-8 bytes. */
export interface SourceData {
  readonly text: Uint8Array;
  /** What the reader should know: files that were skipped, bytes that are not UTF-8. */
  readonly notes: readonly string[];
}

const BUILT_IN = ["typescript", "scan"];

/** Tasks whose examples are pairs: see runtime/pairs. */
const PAIRS = /^(scan|listops|cogs|pairs):|^listops$/;

/**
 * The documents of a built-in source, of files, globs and directories, one after the other. UserError, naming it, for what cannot be read.
 * @param note told at the end what the reader should know
 */
export async function* sourceDocuments(
  source: readonly string[], options: DocumentOptions, note: (text: string) => void,
): AsyncGenerator<Document> {
  const known = source.length === 1 ? builtIn(source[0]!) : null;
  if (known === null) return yield* documentsOf(filesOf(source), options, note);
  yield* passagesOf("", async function* () { yield known.text; }, options);
}

/** The same as one text in memory. UserError too if that is more than 2 GiB. */
export async function readSource(source: string | readonly string[]): Promise<SourceData> {
  const parts = typeof source === "string" ? [source] : source;
  const known = parts.length === 1 ? builtIn(parts[0]!) : null;
  if (known !== null) return known;
  const files = filesOf(parts);
  files.forEach(requireBelowMost);
  const [texts, notes]: [Uint8Array[], string[]] = [[], []];
  let length = 0;
  for await (const document of documentsOf(files, PLAIN, (text) => notes.push(text))) {
    texts.push(closed(document));
    length += texts.at(-1)!.length;
    if (length > MOST_BYTES) throw tooLarge(`the text of ${listed(files)}`);
  }
  return { text: Buffer.concat(texts), notes };
}

function filesOf(parts: readonly string[]): readonly string[] {
  const mixed = parts.find((part) => BUILT_IN.includes(part));
  if (mixed !== undefined) throw new UserError(`the built-in source ${mixed} cannot be mixed with others`);
  return parts.flatMap((part) => expandFiles(part));
}

/** Bytes of its files as they lie on disk, as far as they are known before they are read. */
export const sizeOnDisk = (source: readonly string[]): number =>
  (source.length === 1 && builtIn(source[0]!) !== null ? 0 : filesOf(source).reduce((sum, path) => sum + sizeOf(path), 0));

/**
 * Reading it a second time gives the same text unless somebody changed it: not so for pipes and standard input. UserError if it is not
 * there.
 */
export function canReadAgain(source: readonly string[]): boolean {
  return source.every((part) => BUILT_IN.includes(part) || expandFiles(part).every(isRegular));
}

function builtIn(name: string): SourceData | null {
  if (name === "typescript") return { text: declarationFiles(), notes: [] };
  if (name === "scan") return { text: Buffer.from(scanText(scanPairs())), notes: [] };
  if (!PAIRS.test(name)) return null;
  throw new UserError(`${name} is a task of pairs and no text: `
    + `train on it with --data, and measure with eval --tasks ${name.split(":")[0]}`);
}

/**
 * The declaration files of the installed TypeScript, sorted by name: 3 MB. Without those for web workers, which repeat
 * most of the DOM's and would put into training what is held out.
 */
function declarationFiles(): Uint8Array {
  const folder = typescriptFolder();
  const names = readdirSync(folder).filter((name) => name.endsWith(".d.ts") && !name.startsWith("lib.webworker"));
  return Buffer.concat(names.sort().map((name) => readFileSync(join(folder, name))));
}

function typescriptFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve("typescript"));
  } catch {
    throw new EnvironmentError("the built-in source typescript needs the npm package typescript, which is not installed");
  }
}
