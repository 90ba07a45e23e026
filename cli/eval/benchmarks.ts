/** `eval --tasks`: benchmarks and tasks of pairs, at the depth of training or at several. */
import { withAdapter } from "../../api/session.ts";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { measurementsOf, type Measurement } from "../measurements.ts";
import { printJson } from "../terminal.ts";
import { readTrainedRun, type TrainedRun } from "../trained-run.ts";
import { depthsOf, problemsOf, type Depth } from "./depths.ts";
import type { EvalOptions } from "./options.ts";

type TaskOptions = EvalOptions & { readonly tasks: readonly string[] };

export async function evaluateTasks(folder: string, options: TaskOptions): Promise<void> {
  const trained = readTrainedRun(folder, options.set);
  const { tasks, data, protocol = "moeut", limit = null } = options;
  const trainedOn = { source: trained.info.data.source, who: folder };
  const loaded = tasks.flatMap((name) => measurementsOf(name, { trainedOn, folder: data?.[0] ?? null, protocol, limit }));
  const depths = depthsOf(trained.model, options.passes);
  const impossible = problemsOf(depths);
  if (impossible.length > 0) throw new UserError(impossible.join("\n"));
  const outcomes = await withAdapter(options, (handle) => runTasks(handle, trained, loaded, depths, options));
  if (options.items !== undefined) {
    writeAtomic(options.items, outcomes.flatMap(({ records }) => records.map((record) => `${JSON.stringify(record)}\n`)).join(""));
  }
  if (options.json === true) printJson(outcomes.map(({ records: _, ...outcome }) => ({ run: folder, step: trained.step, ...outcome })));
}

type AtDepth = Readonly<Record<string, unknown>> & { readonly records: readonly object[] };

async function runTasks(
  handle: AdapterHandle, trained: TrainedRun, tasks: readonly Measurement[], depths: readonly Depth[], { json }: EvalOptions,
): Promise<readonly AtDepth[]> {
  const outcomes: AtDepth[] = [];
  for (const depth of depths) {
    if ("problem" in depth) continue;
    const { passes, model } = depth;
    if (passes !== null && json !== true) process.stdout.write(`passes         ${passes}\n`);
    for (const { measure } of tasks) {
      const { document, records, words } = await measure(handle, model, trained);
      if (json !== true) process.stdout.write(words);
      outcomes.push({ passes, ...document, records: passes === null ? records : records.map((record) => ({ passes, ...record })) });
    }
  }
  return outcomes;
}
