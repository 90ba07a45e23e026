/** What a comparison says while it runs, and how it is stopped. */
import type { CompareHooks } from "../runtime/compare/run.ts";
import { exitStatusOf, messageOf } from "../runtime/errors.ts";
import { createProgress, type Progress } from "../runtime/train/index.ts";
import { bytes, short } from "../runtime/units.ts";
import { watchInterrupt } from "./interrupt.ts";
import { say } from "./terminal.ts";

/** @param out the folder @param tokensPerStep that count */
export async function withProgress<T>(out: string, tokensPerStep: number, work: (hooks: CompareHooks) => Promise<T>): Promise<T> {
  const left = (): string => `finished runs and checkpoints stay in ${out}, and the same command continues`;
  const interrupt = watchInterrupt("stopping after this step; press Ctrl-C again to quit at once", left);
  let progress: Progress | null = null;
  let current = "";
  const pause = (): void => progress?.finish();
  return work({
    onRun: ({ variant, seed, isTrial }, index, total) => {
      current = `${variant.stem} seed ${seed}`;
      progress = createProgress({ output: process.stderr, label: current, steps: variant.recipe.steps, tokensPerStep });
      say(`${isTrial ? "trial" : "run"} ${index} of ${total}: ${current}; compiling …`);
    },
    onStart: ({ parameters }, { memoryBytes }, done) => {
      const resuming = done > 0 ? `, resuming after step ${done}` : "";
      say(`${current}: ${short(parameters.unique)} parameters, ${bytes(memoryBytes)} of buffers${resuming}`);
    },
    onStep: (_, __, record) => progress?.update(record),
    onPhase: (text) => (pause(), say(text)),
    onDone: (_, __, final) => final.diverged !== null && say(`${current}: ${final.diverged}`),
    onFail: (_, __, error) => (pause(), sayFailure(current, error)),
    onMiss: (what, error) => (pause(), sayFailure(what, error)),
    shouldStop: interrupt.requested,
  }).finally(() => {
    pause();
    interrupt.dispose();
  });
}

/** The others go on; but a bug is shown whole, and the exit status tells of it. */
function sayFailure(what: string, error: unknown): void {
  const isBug = exitStatusOf(error) === 3;
  if (isBug) process.exitCode = 3;
  say(`${what} failed: ${isBug && error instanceof Error ? error.stack : messageOf(error)}`);
}
