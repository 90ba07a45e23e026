/**
 * The folder of a sweep: a comparison whose runs are jobs of a script.
 *
 *   sweep.json             SweepInfo
 *   specs/NAME.moeut       each variant, every default written out
 *   sweep.sh, sweep.slurm  the jobs, see sweep-script.ts
 *   jobs/NAME-seed0/       of a job: who claimed it, whether it is done; with torchrun its model and what was trained
 *   compare.json, runs/, trials/   as of any comparison
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../runtime/errors.ts";
import { readJson } from "../runtime/train/run-folder.ts";

/** What `compare` is given, and gathers by. */
export interface SweepInfo<Options> {
  readonly format: 1;
  readonly words: readonly string[];
  readonly options: Options;
}

export const SWEEP_FILE = "sweep.json";

export function readSweep<Options>(folder: string): SweepInfo<Options> {
  const path = join(folder, SWEEP_FILE);
  if (!existsSync(path)) throw new UserError(`${folder} has no ${SWEEP_FILE}: \`moeut sweep\` wrote no jobs into it`);
  const info = readJson<SweepInfo<Options>>(path);
  const sound = info.format === 1 && Array.isArray(info.words) && typeof info.options === "object" && info.options !== null;
  if (!sound) throw new UserError(`${path} does not describe jobs that this version can read`);
  return info;
}
