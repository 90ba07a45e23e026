/** A comparison in a folder that is open: training, then results, then what these do not depend on. */
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { whenFree } from "../files/folder.ts";
import { writeBeside } from "../files/written.ts";
import { renderReport } from "../report/index.ts";
import { tablesOf } from "../report/tables.ts";
import { measureDepths } from "./depths.ts";
import { readFailure, readFinal, type FinalRecord } from "./folder.ts";
import { doJob, doJobs } from "./jobs.ts";
import type { CompareResults } from "./results.ts";
import { countHeldOut, jobName, runJobs, type CompareHooks, type CompareOptions, type Job } from "./run.ts";
import { takeSamples } from "./sample.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { measureStepTimes } from "./step-times.ts";
import { summarize, type About, type Summary } from "./summary.ts";
import { trialJobs, tuned } from "./tune.ts";

/**
 * Several processes may do this in one folder at the same time: each does what the others do not, and writes the results at the end.
 * @returns null if stopped early, everything done so far being saved; and for `options.onlyRuns`. Throws the first failure if no run has
 * a result.
 */
export async function compareVariants(asked: CompareOptions, about: About, hooks: CompareHooks = {}): Promise<CompareResults | null> {
  const sessions = createSessions();
  try {
    if (!(await searched(asked, sessions, hooks))) return null;
    const { variants, result } = tuned(asked);
    const options = { ...asked, variants };
    const { finished, error } = await doJobs(options, runJobs(options), sessions, hooks);
    if (!finished || options.onlyRuns) return null;
    requireResult(options, error);
    const write = (): Promise<CompareResults | null> => conclude(options, { ...about, searched: result }, sessions, hooks);
    return await whenFree(options.out, write, hooks.shouldStop, hooks.onPhase);
  } finally {
    sessions.closeAll();
  }
}

/** All jobs by name: trials, and runs with the learning rates that are known so far. */
export const allJobs = (options: Pick<CompareOptions, "out" | "variants" | "seeds" | "tuning">): readonly Job[] =>
  [...(options.tuning === null ? [] : trialJobs(options.tuning)), ...runJobs({ ...options, variants: tuned(options).variants })];

/**
 * One job of a comparison; of a run first what is left of the search for its variant.
 * @returns null if stopped early, everything done so far being saved. Throws what the job failed with; UserError if there is none of that
 * name
 */
export async function compareOne(options: CompareOptions, name: string, hooks: CompareHooks = {}): Promise<FinalRecord | null> {
  const named = (): Job | undefined => allJobs(options).find((job) => jobName(job) === name);
  const job = named();
  if (job === undefined) throw new UserError(`there is no job ${name}; choose one of ${allJobs(options).map(jobName).join(", ")}`);
  const sessions = createSessions();
  try {
    const isReady = job.isTrial || (await searched(options, sessions, hooks, job.variant.name));
    return isReady ? await doJob(options, named()!, sessions, hooks) : null;
  } finally {
    sessions.closeAll();
  }
}

/** @param name of the variant, or of all @returns false if stopped early */
async function searched(options: CompareOptions, sessions: Sessions, hooks: CompareHooks, name?: string): Promise<boolean> {
  if (options.tuning === null) return true;
  const trials = trialJobs(options.tuning).filter(({ variant }) => name === undefined || variant.name === name);
  return (await doJobs(options, trials, sessions, hooks)).finished;
}

function requireResult(options: CompareOptions, error: unknown): void {
  const jobs = runJobs(options).map(({ folder }) => join(options.out, folder));
  if (jobs.some((folder) => readFinal(folder) !== null)) return;
  throw error ?? new UserError(jobs.flatMap((folder) => readFailure(folder)?.failed ?? [])[0] ?? "no run has a result");
}

/** Results from what is in the folder, and what they do not depend on. */
async function conclude(
  options: CompareOptions, about: About & Pick<Summary, "searched">, sessions: Sessions, hooks: CompareHooks,
): Promise<CompareResults | null> {
  const { out } = options;
  const { tokens: validationTokens } = await countHeldOut(options);
  const keep = (path: string, text: string): void => note(hooks, join(out, path), writeBeside(out, { path, content: text }));
  const write = (): CompareResults => {
    const results = summarize({ ...options, ...about, validationTokens });
    keep("results.json", `${JSON.stringify(results, null, 2)}\n`);
    return results;
  };
  write(); // whatever becomes of the rest
  if (!(await measureStepTimes(options, sessions, hooks))) return null;
  sessions.closeAll();
  if (!(await measureDepths(options, hooks))) return null;
  write();
  if (!(await takeSamples(options, hooks))) return null;
  const results = write();
  for (const [path, text] of Object.entries(tablesOf(results))) keep(path, text);
  keep("report.html", renderReport(results));
  return results;
}

function note(hooks: CompareHooks, path: string, kept: string | null): void {
  if (kept !== null) hooks.onPhase?.(`${path} was not as this version wrote it; it is kept as ${kept}`);
}
