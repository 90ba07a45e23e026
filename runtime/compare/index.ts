/** A comparison in a folder that is open: training, then results, then what these do not depend on. */
import { join } from "node:path";
import { writeBeside } from "../files/written.ts";
import { renderReport } from "../report/index.ts";
import { tablesOf } from "../report/tables.ts";
import { measureDepths } from "./depths.ts";
import type { CompareResults } from "./results.ts";
import { runComparison, type CompareHooks, type CompareOptions } from "./run.ts";
import { takeSamples } from "./sample.ts";
import { createSessions } from "./sessions.ts";
import { measureStepTimes } from "./step-times.ts";
import { summarize, type About } from "./summary.ts";

/** @returns null if stopped early; everything done so far is saved. Throws the first failure if no run has a result. */
export async function compareVariants(options: CompareOptions, about: About, hooks: CompareHooks = {}): Promise<CompareResults | null> {
  const sessions = createSessions();
  try {
    const { finished, failures } = await runComparison(options, sessions, hooks);
    if (!finished) return null;
    const { out, variants, seeds, tasks, scoreAt } = options;
    if (failures.length === variants.length * seeds.length) throw failures[0]!.error;
    const keep = (path: string, text: string): void => note(hooks, join(out, path), writeBeside(out, { path, content: text }));
    const write = (): CompareResults => {
      const results = summarize({ ...about, out, variants, seeds, tasks, scoreAt, failures });
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
  } finally {
    sessions.closeAll();
  }
}

function note(hooks: CompareHooks, path: string, kept: string | null): void {
  if (kept !== null) hooks.onPhase?.(`${path} was not as this version wrote it; it is kept as ${kept}`);
}
