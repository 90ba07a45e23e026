import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { EnvironmentError, UserError } from "../errors.ts";
import { expandFiles, readFiles } from "./files.ts";
import { isRegular } from "./read.ts";
import { scanPairs, scanSplit, scanText, SCAN_SPLITS, type ScanSplit } from "./scan.ts";

/** Text to learn from, as UTF-8 bytes. */
export interface SourceData {
  readonly text: Uint8Array;
  /** Held-out text where the source defines it; null: part of `text` is to be held out. */
  readonly heldOut: Uint8Array | null;
  /** What the reader should know: files that were skipped, bytes that are not UTF-8. */
  readonly notes: readonly string[];
}

const BUILT_IN = ["typescript", "scan", ...SCAN_SPLITS.map((split) => `scan:${split}`)];

/** A built-in name, a file or a glob, or several of the latter two. UserError, naming it, for what cannot be read. */
export function readSource(source: string | readonly string[]): SourceData {
  const parts = typeof source === "string" ? [source] : source;
  if (parts.length === 1) return builtIn(parts[0]!) ?? files(parts);
  const mixed = parts.find((part) => BUILT_IN.includes(part));
  if (mixed !== undefined) throw new UserError(`the built-in source ${mixed} cannot be mixed with others`);
  return files(parts);
}

/**
 * Reading it a second time gives the same text unless somebody changed it: not so for pipes and standard input. UserError if it is not
 * there.
 */
export function canReadAgain(source: readonly string[]): boolean {
  return source.every((part) => BUILT_IN.includes(part) || expandFiles(part).every(isRegular));
}

function builtIn(name: string): SourceData | null {
  if (name === "typescript") return { text: declarationFiles(), heldOut: null, notes: [] };
  if (name === "scan") return { text: Buffer.from(scanText(scanPairs())), heldOut: null, notes: [] };
  return name.startsWith("scan:") ? scan(name.slice("scan:".length)) : null;
}

function scan(split: string): SourceData {
  const known = SCAN_SPLITS.find((candidate): candidate is ScanSplit => candidate === split);
  if (known === undefined) throw new UserError(`scan has no split "${split}"; choose one of ${SCAN_SPLITS.join(", ")}`);
  const { train, test } = scanSplit(known);
  return { text: Buffer.from(scanText(train)), heldOut: Buffer.from(scanText(test)), notes: [] };
}

function files(parts: readonly string[]): SourceData {
  return { ...readFiles(parts.flatMap((part) => expandFiles(part))), heldOut: null };
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
