import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * GPU suites have workers of their own: a crash of the driver ends one fork and not the run. Two, although an adapter may use every core:
 * models are compiled on one.
 */
const gpu = ["test/gpu*.test.ts"];

/** Files that want the Python of the tests, which `npm test` makes meanwhile, come behind half of the others. */
class PythonLater extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const wantsPython = ({ moduleId }: TestSpecification): boolean => readFileSync(moduleId, "utf8").includes("/torch/python.ts");
    const sorted = await super.sort(files);
    const [waiting, others] = [sorted.filter(wantsPython), sorted.filter((file) => !wantsPython(file))];
    const half = Math.ceil(others.length / 2);
    return [...others.slice(0, half), ...waiting, ...others.slice(half)];
  }
}

/** Milliseconds. No test depends on how fast the machine is: this only ends a run that hangs. Tests set no limits of their own, and wait for events, never for time. */
const BACKSTOP = 600_000;

/** Compiling makes much that is soon garbage: with room for it a quarter less of the processor's time goes into collecting it. */
const execArgv = ["--min-semi-space-size=64", "--max-semi-space-size=128"];

const common = { pool: "forks", execArgv, isolate: false, testTimeout: BACKSTOP, hookTimeout: BACKSTOP, teardownTimeout: BACKSTOP } as const;

export default defineConfig({
  test: {
    sequence: { sequencer: PythonLater },
    projects: [
      { test: { ...common, name: "cpu", include: ["test/**/*.test.ts"], exclude: gpu, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      { test: { ...common, name: "gpu", include: gpu, maxWorkers: 2, sequence: { groupOrder: 1 } } },
    ],
  },
});
