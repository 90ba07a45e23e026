/** From files and texts to checked models. */
import { readFileSync } from "node:fs";
import { dirname, resolve, relative } from "node:path";
import { checkSource, type CheckResult } from "../compiler/front.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { cannotRead, messageOf, UserError } from "../runtime/errors.ts";
import { specText } from "./spec-text.ts";

/** UserError for what cannot be read, or cannot be a spec. */
export function readSpecFile(file: string): SourceText {
  const text = specText(readBytes(file));
  if (typeof text !== "string") throw new UserError(`${file} is no spec: ${text.problem}`);
  return { file, text };
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw cannotRead(file, error);
  }
}

export function checkText(source: SourceText, overrides: readonly string[]): CheckResult {
  return checkSource(source, { overrides, readFile: readImport });
}

/** Imported paths are relative to the importing file; names stay as short as the name of that file is. */
export function readImport(path: string, from: string): SourceText | { readonly problem: string } {
  const full = resolve(dirname(from), path);
  try {
    const text = specText(readBytes(full));
    return typeof text === "string" ? { file: from.startsWith("/") ? full : relative(process.cwd(), full), text } : text;
  } catch (error) {
    return { problem: messageOf(error).replace(/^cannot read .*?: /, "") };
  }
}
