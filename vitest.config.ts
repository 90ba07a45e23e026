import { defineConfig } from "vitest/config";

/** GPU suites share one worker, because a software adapter uses every core already; a crash of the driver ends one fork and not the run. */
const gpu = ["test/gpu*.test.ts"];

const common = { pool: "forks", isolate: false, testTimeout: 60_000, hookTimeout: 60_000 } as const;

export default defineConfig({
  test: {
    projects: [
      { test: { ...common, name: "cpu", include: ["test/**/*.test.ts"], exclude: gpu, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      { test: { ...common, name: "gpu", include: gpu, maxWorkers: 1, testTimeout: 180_000, sequence: { groupOrder: 1 } } },
    ],
  },
});
