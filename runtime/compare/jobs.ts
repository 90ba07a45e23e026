/** Jobs one after the other, whatever becomes of each: several processes may do this in one folder. */
import { join } from "node:path";
import { withOwnFolder } from "../files/folder.ts";
import { removeFailure, writeFailure } from "./folder.ts";
import { countHeldOut, isDone, runJob, type CompareHooks, type CompareOptions, type Job } from "./run.ts";
import type { Sessions } from "./sessions.ts";

interface JobsOutcome {
  /** false if stopped early */
  readonly finished: boolean;
  /** What went wrong first, or null. */
  readonly error: unknown;
}

/** A job that fails does not keep the others from being done; why is kept beside its folder, and it is tried again the next time. */
export async function doJobs(
  options: CompareOptions, jobs: readonly Job[], sessions: Sessions, hooks: CompareHooks = {},
): Promise<JobsOutcome> {
  const nHeldOut = await countHeldOut(options);
  let first: unknown = null;
  for (const [index, job] of jobs.entries()) {
    const { variant, seed } = job;
    const folder = join(options.out, job.folder);
    if (hooks.shouldStop?.() === true) return { finished: false, error: first };
    if (isDone(options, job, nHeldOut)) continue;
    hooks.onRun?.(variant, seed, index + 1, jobs.length);
    try {
      const final = await withOwnFolder(folder, () => runJob(options, job, nHeldOut, sessions, hooks));
      if (final === null) return { finished: false, error: first };
      removeFailure(folder);
      hooks.onDone?.(variant, seed, final);
    } catch (error) {
      sessions.discard(variant);
      first ??= error;
      keepFailure(folder, error);
      hooks.onFail?.(variant, seed, error);
    }
  }
  return { finished: true, error: first };
}

function keepFailure(folder: string, error: unknown): void {
  try {
    writeFailure(folder, error);
  } catch {
    // What keeps the run from being made may keep this from being written: a full disk. It was said.
  }
}
