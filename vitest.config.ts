import { defineConfig } from "vitest/config";

/** GPU suites share one worker, because a software adapter uses every core already; a crash of the driver ends one fork and not the run. */
const gpu = ["test/gpu*.test.ts"];

/** Milliseconds. No test depends on how fast the machine is: this only ends a run that hangs. Tests set no limits of their own, and wait for events, never for time. */
const BACKSTOP = 600_000;

const common = { pool: "forks", isolate: false, testTimeout: BACKSTOP, hookTimeout: BACKSTOP, teardownTimeout: BACKSTOP } as const;

export default defineConfig({
  test: {
    projects: [
      { test: { ...common, name: "cpu", include: ["test/**/*.test.ts"], exclude: gpu, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      { test: { ...common, name: "gpu", include: gpu, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
