import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** GPU suites have workers of their own: a crash of the driver ends one fork and not the run. */
const gpu = ["test/gpu*.test.ts"];

/** One more than a small machine has cores: tests wait for drivers and for other processes. */
const maxWorkers = 3;

/** Files are started by size, the largest first, but these take long for it and would be waited for in the end. */
const LONG = /(plan-rules|plan-limits|graph-models|gpu-models|gpu-sweep|gpu-compare-processes)\.test\.ts$/;

const isLong = ({ moduleId }: TestSpecification): boolean => LONG.test(moduleId);

/**
 * One kind of workers after the other, without a pause: the first that has no more files of its kind makes room. Files that want the Python
 * of the tests, which `npm test` makes meanwhile, come behind half of the first kind.
 */
class InTurn extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const wantsPython = ({ moduleId }: TestSpecification): boolean => readFileSync(moduleId, "utf8").includes("/torch/python.ts");
    const bySize = await super.sort(files);
    const sorted = [...bySize.filter(isLong), ...bySize.filter((file) => !isLong(file))];
    const cpu = sorted.filter(({ project }) => project.name === "cpu");
    const [waiting, others] = [cpu.filter(wantsPython), cpu.filter((file) => !wantsPython(file))];
    const half = Math.ceil(others.length / 2);
    return [...others.slice(0, half), ...waiting, ...others.slice(half), ...sorted.filter((file) => !cpu.includes(file))];
  }
}

/** Milliseconds. No test depends on how fast the machine is: this only ends a run that hangs. Tests set no limits of their own, and wait for events, never for time. */
const BACKSTOP = 600_000;

/** Compiling makes much that is soon garbage: with room for it a quarter less of the processor's time goes into collecting it. */
const execArgv = ["--min-semi-space-size=64", "--max-semi-space-size=128"];

const common = { pool: "forks", execArgv, isolate: false, testTimeout: BACKSTOP, hookTimeout: BACKSTOP, teardownTimeout: BACKSTOP } as const;

export default defineConfig({
  test: {
    sequence: { sequencer: InTurn },
    projects: [
      { test: { ...common, name: "cpu", include: ["test/**/*.test.ts"], exclude: gpu, maxWorkers } },
      { test: { ...common, name: "gpu", include: gpu, maxWorkers } },
    ],
  },
});
