/** The processor as an adapter, from the command line: no driver, any number of threads, the same bits. */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { assemble } from "../compiler/wasm/index.ts";
import { openAnyAdapter } from "../api/session.ts";
import { requireFit } from "../api/fit.ts";
import { findAdapters } from "../runtime/adapter/find.ts";
import { doctor, openAdapter, renderDoctor } from "../runtime/adapter/index.ts";
import { EnvironmentError, UserError } from "../runtime/errors.ts";
import type { KernelPlan } from "../runtime/standalone/plan.ts";
import { currentCheckpoint } from "../runtime/train/index.ts";
import { hashOf, json, moeut, moeutHere } from "./support/cli.ts";
import { HAND_MADE, handMadePlan, toAndFro, WITHOUT_THREADS } from "./support/hand-made-plan.ts";
import { goldenFolder } from "./support/shared.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-cpu-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const open = (threads: number) => openAdapter({ adapter: "cpu", threads, assemble });

const SMALL = ["--eval-tokens", "64", "--set", "train.batch=2", "--set", "seq_len=32", "--set", "train.optimizer.lr=1e-2"];

describe("training", () => {
  const train = (out: string, ...more: readonly string[]): readonly string[] =>
    ["train", "specs/tiny.moeut", "--data", "scan", "--out", join(scratch, out), "--adapter", "cpu", "--steps", "4", ...SMALL, ...more];
  const bytesOf = (run: string): readonly string[] =>
    ["weights", "optimizer"].map((name) => hashOf(join(currentCheckpoint(join(scratch, run))!, `${name}.safetensors`)));

  beforeAll(async () => {
    const result = await moeut(train("one", "--threads", "1"));
    expect(result.stderr).toMatch(/training on CPU/);
    expect(result.status).toBe(0);
  });

  test.each([2, 5])("%i threads give the same bits as one", async (threads) => {
    expect((await moeutHere(train(`${threads}`, "--threads", `${threads}`))).status).toBe(0);
    expect(bytesOf(`${threads}`)).toEqual(bytesOf("one"));
  });

  test("what was trained generates and is measured", async () => {
    const run = join(scratch, "one");
    const { stdout } = await moeutHere(["generate", run, "--adapter", "cpu", "--max-tokens", "5", "--prompt", "jump", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ prompt: "jump" });
    const measured = await moeutHere(["eval", run, "--adapter", "cpu", "--data", "scan", "--max-tokens", "64", "--json"]);
    expect(json(measured).loss).toBeGreaterThan(0);
  });
});

const golden = goldenFolder("b5");
test.skipIf(golden === null)("a golden folder verifies", async () => {
  expect((await moeutHere(["verify", golden!, "--adapter", "cpu"])).stdout).toMatch(/1 of 1 folders within bounds/);
});

describe("choosing it", () => {
  test("doctor lists it, with its threads", async () => {
    const report = await doctor(() => openAnyAdapter({ adapter: "cpu", threads: 3 }));
    expect(report).toMatchObject({ problem: null, chosen: { kind: "cpu", facts: { threads: "3" } } });
    const text = renderDoctor(report);
    expect(text).toMatch(/\n {2}\* cpu +CPU \(.+\)\n/);
    expect(text).toMatch(/\nusing CPU .*: forced by --adapter cpu; its self-test passed\n {2}threads +3\n/);
  });

  test("it has as many threads as there are cores", async () => {
    const handle = await openAnyAdapter({ adapter: "cpu" });
    expect(handle.info.facts["threads"]).toBe(`${availableParallelism()}`);
    handle.close();
  });

  test("threads of another adapter are refused, and so are too many", async () => {
    const refused = await moeutHere(["doctor", "--adapter", "null", "--threads", "2"]);
    expect(refused.stdout).toContain("the adapter cpu alone has threads to choose, and this would run on null; add --adapter cpu");
    await expect(open(100_000)).rejects.toThrow(UserError);
    const none = await moeutHere(["doctor", "--threads", "0"]);
    expect([none.status, none.stderr]).toEqual([1, expect.stringContaining("from 1 to")]);
  });

  test("kernels that compute something else do not pass the self-test", async () => {
    const attempt = openAdapter({ adapter: "cpu", assemble: () => HAND_MADE });
    await expect(attempt).rejects.toThrow(EnvironmentError);
    await expect(attempt).rejects.toThrow(/CPU .*: the adapter "CPU .*" computes wrong results in a self-test \(arithmetic: lane 0 gives/);
  });
});

describe("what it cannot", () => {
  test("a plan beyond 4 GiB: what it needs, what there is, what to do", async () => {
    const { info } = await open(1);
    const large = (kind: keyof KernelPlan["memory"]["byKind"]): KernelPlan => {
      const plan = handMadePlan([2 ** 30], {});
      const { total, byKind } = plan.memory;
      const buffers = plan.buffers.map((b) => ({ ...b, kind }));
      return { ...plan, buffers, memory: { total, byKind: { ...byKind, activations: 0, [kind]: total } } };
    };
    const needs = /^hand-made is too large for CPU .*: it needs 4.0 GiB in all, most of it \w+ \(4.0 GiB\), and the device allows 3.9 GiB/;
    expect(() => requireFit(large("activations"), info)).toThrow(needs);
    expect(() => requireFit(large("activations"), info)).toThrow(/choose a smaller batch/);
    expect(() => requireFit(large("parameters"), info)).toThrow(/choose fewer or smaller experts/);
  });

  test("a thread that is lost is the machine's fault", async () => {
    const isSelfTest = (n: number): boolean => n === 1;
    const handle = await openAdapter({
      adapter: "cpu", threads: 2, assemble: (kernels) => (isSelfTest(kernels.length) ? assemble(kernels) : WITHOUT_THREADS),
    });
    const executor = await handle.createExecutor(handMadePlan([64, 64], { good: toAndFro(2, 64, [0, 1]) }));
    await expect(executor.run(["good"])).rejects.toThrow("a thread was lost");
    expect(handle.firstError()).toBeInstanceOf(EnvironmentError);
    expect(() => handle.checkErrors()).toThrow(/^CPU .*: a thread was lost/);
  });

  test("a kernel that fails is a bug with its name, and the adapter can be used again", async () => {
    const isSelfTest = (n: number): boolean => n === 1;
    const handle = await openAdapter({
      adapter: "cpu", threads: 2, assemble: (kernels) => (isSelfTest(kernels.length) ? assemble(kernels) : HAND_MADE),
    });
    const plan = handMadePlan([64, 64], { bad: [{ kernel: "fail", buffers: [0], sizes: [7] }], good: toAndFro(2, 64, [0, 1]) });
    const broken = await handle.createExecutor(plan);
    await expect(broken.run(["bad"])).rejects.toThrow(/^the kernel fail failed: /);
    expect(handle.firstError()).toBeNull();
    const next = await handle.createExecutor(plan);
    expect(await next.run(["good"])).toEqual({});
    for (const executor of [broken, next]) executor.destroy();
  });
});

const { candidates } = await findAdapters(undefined);
const hasGpu = candidates.some(({ kind }) => kind === "gpu");
test.skipIf(hasGpu)("without a GPU it is what commands use, whatever software drivers there are", async () => {
  vi.stubEnv("MOEUT_ADAPTER", "");
  const { chosen } = await doctor(() => openAnyAdapter({}));
  vi.unstubAllEnvs();
  expect(chosen).toMatchObject({ kind: "cpu", why: "no GPU was found, and WebAssembly on all cores is faster than a software driver" });
});
