/** A folder for the files of one test file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";

export interface Scratch {
  readonly root: string;
  /** Writes a file there, folders on the way included. @returns its path */
  readonly file: (name: string, content: string | Uint8Array) => string;
}

/** Is removed when all tests of the file are through. */
export function scratchFolder(name: string): Scratch {
  const root = mkdtempSync(join(tmpdir(), `moeut-${name}-`));
  afterAll(() => rmSync(root, { recursive: true }));
  const file = (path: string, content: string | Uint8Array): string => {
    const whole = join(root, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, content);
    return whole;
  };
  return { root, file };
}
