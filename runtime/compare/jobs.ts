/** Jobs one after the other, whatever becomes of each: several processes may do this in one folder. */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { BRIEFLY, POLL_MS, withOwnFolder } from "../files/folder.ts";
import { InUse } from "../files/lock.ts";
import { removeFailure, writeFailure, type FinalRecord } from "./folder.ts";
import { countHeldOut, isDone, runJob, type CompareHooks, type CompareOptions, type Job } from "./run.ts";
import type { Sessions } from "./sessions.ts";
import { waitingWords } from "./waiting.ts";

interface JobsOutcome {
  /** false if stopped early */
  readonly finished: boolean;
  /** What went wrong first in this process, or null. */
  readonly error: unknown;
}

/**
 * A job that fails does not keep the others from being done; why is kept beside its folder, and it is tried again the next time. What
 * another process does is waited for, and taken over if that one dies.
 */
export async function doJobs(
  options: CompareOptions, jobs: readonly Job[], sessions: Sessions, hooks: CompareHooks = {},
): Promise<JobsOutcome> {
  const { sequences: nHeldOut } = await countHeldOut(options);
  let [left, error]: [readonly Job[], unknown] = [jobs, null];
  const tellWaiting = waitingWords((text) => hooks.onPhase?.(text));
  for (;;) {
    const elsewhere: { readonly job: Job; readonly held: InUse }[] = [];
    for (const job of left) {
      if (hooks.shouldStop?.() === true) return { finished: false, error: null };
      if (isDone(options, job, nHeldOut)) continue;
      const outcome = await claimed(options, job, async () => {
        hooks.onRun?.(job, jobs.indexOf(job) + 1, jobs.length);
        return runJob(options, job, nHeldOut, sessions, hooks);
      });
      if (outcome === "stopped") return { finished: false, error: null };
      if (outcome instanceof InUse) elsewhere.push({ job, held: outcome });
      else if ("error" in outcome) {
        sessions.discard(job.variant);
        error ??= outcome.error;
        hooks.onFail?.(job.variant, job.seed, outcome.error);
      } else hooks.onDone?.(job.variant, job.seed, outcome);
    }
    if (elsewhere.length === 0) return { finished: true, error };
    tellWaiting(elsewhere.map(({ held }) => held));
    left = elsewhere.map(({ job }) => job); // the others stay done, and runs with many items take long to read
    await setTimeout(POLL_MS);
  }
}

/** One of them, now. Throws what it failed with; InUse if another process does it. @returns null if stopped early */
export async function doJob(options: CompareOptions, job: Job, sessions: Sessions, hooks: CompareHooks = {}): Promise<FinalRecord | null> {
  const { sequences: nHeldOut } = await countHeldOut(options);
  hooks.onRun?.(job, 1, 1);
  const outcome = await claimed(options, job, () => runJob(options, job, nHeldOut, sessions, hooks));
  if (outcome === "stopped") return null;
  if (outcome instanceof InUse) throw outcome;
  if ("error" in outcome) throw outcome.error;
  return outcome;
}

type Outcome = FinalRecord | "stopped" | InUse | { readonly error: unknown };

/** Does a job unless another process does. Never throws: whatever goes wrong is this job's. */
async function claimed(options: CompareOptions, job: Job, work: () => Promise<FinalRecord | null>): Promise<Outcome> {
  const folder = join(options.out, job.folder);
  let isOurs = false;
  try {
    const final = await withOwnFolder(folder, () => ((isOurs = true), work()), BRIEFLY);
    if (final === null) return "stopped";
    removeFailure(folder);
    return final;
  } catch (error) {
    if (!isOurs && error instanceof InUse) return error;
    keepFailure(folder, error);
    return { error };
  }
}

function keepFailure(folder: string, error: unknown): void {
  try {
    writeFailure(folder, error);
  } catch {
    // What keeps the run from being made may keep this from being written: a full disk. It was said.
  }
}
