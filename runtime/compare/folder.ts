/**
 * The folder of a comparison:
 *
 *   compare.json      what is compared: CompareInfo
 *   runs/NAME-seed0/  a run folder per variant and seed, with final.json: FinalRecord
 *   results.json, report.html
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import type { AdapterName } from "../session.ts";
import type { Recipe } from "../standalone/schedule.ts";
import type { DataInfo } from "../train/index.ts";
import { readJson } from "../train/run-folder.ts";
import type { Sample } from "./results.ts";

export interface CompareInfo {
  readonly format: 1;
  readonly variants: readonly { readonly name: string; readonly specHash: string; readonly recipe: Recipe }[];
  readonly seeds: readonly number[];
  readonly data: DataInfo;
  readonly evalTokens: number;
  readonly finalTokens: number;
}

/** What is measured once after a run. */
export interface FinalRecord {
  readonly format: 1;
  readonly diverged: string | null;
  /** Mean loss per held-out sequence; empty if diverged. */
  readonly sequences: readonly number[];
  readonly bytesPerToken: number;
  readonly memoryBytes: number;
  readonly adapter: AdapterName;
  readonly sample: Sample | null;
}

const infoPath = (out: string): string => join(out, "compare.json");
export const runFolder = (name: string, seed: number): string => join("runs", `${name}-seed${seed}`);

/** Starts a comparison or finds the same one. UserError if the folder holds another, or other things. */
export function openComparison(out: string, info: CompareInfo): void {
  if (existsSync(infoPath(out))) {
    const different = firstDifference(readJson<CompareInfo>(infoPath(out)), info);
    if (different === null) return;
    throw new UserError(`${out} holds another comparison: ${different}. The same command as before continues it; for a new one remove the folder, or choose another with --out`);
  }
  const occupied = existsSync(out) && readdirSync(out).some((name) => !name.startsWith("."));
  if (occupied) throw new UserError(`${out} exists and is not empty, and it is not a comparison; choose another folder with --out`);
  writeAtomic(infoPath(out), `${JSON.stringify(info, null, 2)}\n`);
}

function firstDifference(have: CompareInfo, want: CompareInfo): string | null {
  const names = (info: CompareInfo): string => info.variants.map((v) => v.name).join(", ");
  const parts: readonly (readonly [string, (info: CompareInfo) => unknown])[] = [
    ["the data", (info) => `${info.data.source.join(" ")} (${info.data.id.slice(0, 12)})`],
    ["the seeds", (info) => info.seeds.join(", ")],
    ["the variants", names],
    ["the steps", (info) => info.variants[0]!.recipe.steps],
    ["the specs", (info) => info.variants.map((v) => v.specHash).join(", ")],
    ["the recipes", (info) => JSON.stringify(info.variants.map((v) => v.recipe))],
    ["the tokens of evaluations", (info) => `${info.evalTokens} and ${info.finalTokens}`],
  ];
  const found = parts.find(([, of]) => of(have) !== of(want));
  return found === undefined ? null : `${found[0]} were ${String(found[1](have))}, now ${String(found[1](want))}`;
}

const finalPath = (folder: string): string => join(folder, "final.json");

export const readFinal = (folder: string): FinalRecord | null => (existsSync(finalPath(folder)) ? readJson<FinalRecord>(finalPath(folder)) : null);

export const writeFinal = (folder: string, record: FinalRecord): void => writeAtomic(finalPath(folder), `${JSON.stringify(record)}\n`);
