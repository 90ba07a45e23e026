/** A comparison in a folder that is open: training, then results, then what these do not depend on. */
import { join } from "node:path";
import { writeAtomic } from "../files/write-atomic.ts";
import { renderReport } from "../report/index.ts";
import type { CompareResults } from "./results.ts";
import { runComparison, type CompareHooks, type CompareOptions } from "./run.ts";
import { takeSamples } from "./sample.ts";
import { createSessions } from "./sessions.ts";
import { measureStepTimes } from "./step-times.ts";
import { summarize, type About, type Summary } from "./summary.ts";

/** @returns null if stopped early; everything done so far is saved. Throws the first failure if no run has a result. */
export async function compareVariants(options: CompareOptions, about: About, hooks: CompareHooks = {}): Promise<CompareResults | null> {
  const sessions = createSessions();
  try {
    const { finished, failures } = await runComparison(options, sessions, hooks);
    if (!finished) return null;
    const { out, variants, seeds } = options;
    if (failures.length === variants.length * seeds.length) throw failures[0]!.error;
    const write = (): CompareResults => writeResults({ ...about, out, variants, seeds, failures });
    write(); // whatever becomes of the rest
    if (!(await measureStepTimes(options, sessions, hooks))) return null;
    sessions.closeAll();
    write();
    if (!(await takeSamples(options, hooks))) return null;
    const results = write();
    writeAtomic(join(out, "report.html"), renderReport(results));
    return results;
  } finally {
    sessions.closeAll();
  }
}

function writeResults(summary: Summary): CompareResults {
  const results = summarize(summary);
  writeAtomic(join(summary.out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  return results;
}
