/** Speed of a loaded model: whole runs as a user sees them, and each kernel's share. */
import type { KernelPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";

export interface Timing {
  readonly median: number; // seconds
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/** Runs once to warm up, then `runs` times. @param run one whole run, results read back */
export async function timeRuns(run: () => Promise<unknown>, runs: number): Promise<Timing> {
  await run();
  const seconds: number[] = [];
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    await run();
    seconds.push((performance.now() - started) / 1000);
  }
  seconds.sort((a, b) => a - b);
  return { median: seconds[Math.floor(runs / 2)]!, min: seconds[0]!, max: seconds.at(-1)!, runs };
}

export interface KernelShare {
  readonly kernel: string;
  readonly launches: number;
  readonly seconds: number;
  readonly share: number;
}

/** Time on the device by kernel, the dearest first. Launches are timed one by one, so the sum exceeds a run's time a little. */
export async function shareByKernel(executor: Executor, plan: KernelPlan, entries: readonly string[]): Promise<readonly KernelShare[]> {
  const totals: Record<string, { launches: number; seconds: number }> = {};
  for (const entry of entries) {
    const nanoseconds = await executor.time(entry);
    plan.entries[entry]!.dispatches.forEach((d, i) => {
      const total = (totals[plan.kernels[d.kernel]!.name] ??= { launches: 0, seconds: 0 });
      total.launches += 1;
      total.seconds += nanoseconds[i]! / 1e9;
    });
  }
  const all = Object.values(totals).reduce((sum, t) => sum + t.seconds, 0);
  return Object.entries(totals).map(([kernel, t]) => ({ kernel, ...t, share: all === 0 ? 0 : t.seconds / all })).sort((a, b) => b.seconds - a.seconds);
}
