/** The executor on threads, with kernels written by hand: order, waiting, failing, ending. */
import { spawnSync } from "node:child_process";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import ts from "typescript";
import { createCpuExecutor, type CpuOptions } from "../runtime/standalone/cpu/executor.ts";
import { listTasks, type Task } from "../runtime/standalone/cpu/tasks.ts";
import { THREAD_TEXT } from "../runtime/standalone/cpu/walk.ts";
import type { Dispatch, KernelPlan } from "../runtime/standalone/plan.ts";
import type { Executor, HostArray } from "../runtime/standalone/types.ts";
import { HAND_MADE, handMadePlan, mixed, toAndFro, WITHOUT_THREADS, type Launch } from "./support/hand-made-plan.ts";

const open: Executor[] = [];
afterEach(() => open.splice(0).forEach((executor) => executor.destroy()));

async function load(plan: KernelPlan, options: CpuOptions = {}): Promise<Executor> {
  const executor = await createCpuExecutor(plan, HAND_MADE, options);
  open.push(executor);
  return executor;
}

const LARGE = 1 << 14; // words of a buffer whose launches are shared
const SMALL = 100;
const numbers = (n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => i * 7);
const afterRounds = (n: number, start: Uint32Array): Uint32Array => Array.from({ length: n }, (_, i) => i).reduce(mixed, start);

/** Where two arrays differ, or −1: comparing every element by itself takes the test runner a second. */
const first = (got: HostArray, want: Uint32Array): number => got.findIndex((x: number, i: number) => x !== want[i]);

/** Large and small launches mixed, on two pairs of buffers that do not depend on each other, and then do. */
const MIXED = handMadePlan([LARGE, LARGE, SMALL, SMALL, LARGE], {
  go: [...toAndFro(30, LARGE, [0, 1]).flatMap((large, i) => [large, ...toAndFro(40, SMALL, [2, 3]).slice(i, i + 1)]),
    { kernel: "mix", buffers: [0, 4], sizes: [LARGE, 9] }, { kernel: "fill", buffers: [0], sizes: [5] }],
  back: toAndFro(2, LARGE, [4, 1]),
  nothing: [],
});

test.each([1, 2, 3, 8])("%i threads give what one after the other gives, run after run", async (threads) => {
  const executor = await load(MIXED, { threads });
  const back = afterRounds(2, mixed(afterRounds(30, numbers(LARGE)), 9));
  for (let run = 0; run < 3; run++) {
    executor.write("0", numbers(LARGE));
    executor.write("2", numbers(SMALL));
    const read = await executor.run(["nothing", "go", "back"], ["0", "2", "4"]);
    expect(first(read["0"]!, new Uint32Array(LARGE).fill(5))).toBe(-1);
    expect(first(read["2"]!, afterRounds(30, numbers(SMALL)))).toBe(-1);
    expect(first(read["4"]!, back)).toBe(-1);
  }
});

test("times every launch, of none too", async () => {
  const executor = await load(MIXED, { threads: 2 });
  const times = (await executor.time("go"))!;
  expect(times).toHaveLength(62);
  expect(times.every((ns) => ns >= 0) && times.some((ns) => ns > 0)).toBe(true);
  expect(await executor.time("nothing")).toEqual([]);
});

test("what is written during a run waits for its end, and is what it was when it was written", async () => {
  const executor = await load(MIXED, { threads: 2 });
  executor.write("0", numbers(LARGE));
  const run = executor.run(["go"]);
  const late = new Uint32Array(LARGE).fill(1);
  executor.write("4", late);
  late.fill(2);
  await run;
  expect(first(await executor.read("4"), new Uint32Array(LARGE).fill(1))).toBe(-1);
});

test("finds the first launch that writes bits of a NaN or an infinity", async () => {
  const fill = (buffer: number, bits: number): Launch =>
    ({ kernel: "fill", buffers: [buffer], sizes: [bits], label: `fill ${bits.toString(16)}` });
  const entries = { fine: [fill(0, 0x7f7fffff)], bad: [fill(0, 0x3f800000), fill(1, 0xff800000), fill(0, 0x7fc00000)] };
  const executor = await load(handMadePlan([SMALL, SMALL], entries));
  expect(await executor.firstNonFinite("bad")).toBe("fill ff800000");
  expect(await executor.firstNonFinite("fine")).toBeNull();
});

describe("an end", () => {
  const good = toAndFro(2, LARGE, [0, 1]);
  const failing = handMadePlan([LARGE, LARGE], { good, bad: [...good, { kernel: "fail", buffers: [1], sizes: [77] }, ...good] });

  test.each([1, 2])("a kernel that fails is named, by every later call too, %i threads", async (threads) => {
    const executor = await load(failing, { threads });
    await executor.run(["good"]);
    await expect(executor.run(["bad"])).rejects.toThrow(/^the kernel fail failed: .*unreachable/);
    await expect(executor.run(["good"])).rejects.toThrow("the kernel fail failed");
    expect(() => executor.write("0", numbers(LARGE))).toThrow("the kernel fail failed");
  });

  test("a thread that is lost is said once, by a run that waits for it, and by every later call", async () => {
    const losses: string[] = [];
    const executor = await createCpuExecutor(MIXED, WITHOUT_THREADS, { threads: 2, onLost: (reason) => losses.push(reason) });
    open.push(executor);
    const lost = /^a thread was lost \(RuntimeError: unreachable\); load the model again/;
    await expect(executor.run(["go"])).rejects.toThrow(lost);
    await expect(executor.read("0")).rejects.toThrow(lost);
    expect(losses).toEqual([expect.stringMatching(lost)]);
  });

  test("destroyed during a run, and with another one waiting", async () => {
    const executor = await load(MIXED, { threads: 2 });
    const runs = [executor.run(["go"]), executor.run(["go"]), executor.read("0")];
    executor.destroy();
    for (const run of runs) await expect(run).rejects.toThrow("this model was destroyed");
  });

  test("names that a plan does not have leave it as it was", async () => {
    const executor = await load(MIXED, { threads: 2 });
    await expect(executor.run(["go", "gone"])).rejects.toThrow('this plan has no "gone"; it has go, back, nothing, 0, 1, 2, 3, 4');
    await expect(executor.run(["go"], ["x"])).rejects.toThrow('this plan has no "x"');
    expect(first(await executor.read("1"), new Uint32Array(LARGE))).toBe(-1);
  });

  test("a plan beyond 4 GiB is refused, and nothing is allocated", async () => {
    const tooLarge = load(handMadePlan([2 ** 29, 2 ** 29], {}));
    await expect(tooLarge).rejects.toThrow(/^hand-made needs \d+ bytes for \d+ threads, and WebAssembly has 4294967296/);
  });
});

describe("elsewhere", () => {
  /** Runs MIXED and shows the beginning of what came out; ends by itself, idle threads or not. */
  const PROGRAM = `
    import { createCpuExecutor } from "./runtime/standalone/cpu/executor.ts";
    import { HAND_MADE, handMadePlan, toAndFro } from "./test/support/hand-made-plan.ts";
    export async function main(threads: number): Promise<string> {
      const plan = handMadePlan([${LARGE}, ${LARGE}], { go: toAndFro(8, ${LARGE}, [0, 1]) });
      const executor = await createCpuExecutor(plan, HAND_MADE, { threads });
      const { 0: out } = await executor.run(["go"], ["0"]);
      return [...out!.slice(0, 3)].join();
    }`;
  const WANT = [...afterRounds(8, new Uint32Array(LARGE)).slice(0, 3)].join();
  const bundle = async (program: string, options: object): Promise<string> => {
    const stdin = { contents: program, resolveDir: `${import.meta.dirname}/..`, loader: "ts" } as const;
    return (await build({ stdin, bundle: true, write: false, logLevel: "silent", ...options })).outputFiles[0]!.text;
  };

  const BUNDLES = [{}, { minify: true }, { keepNames: true }, { minify: true, keepNames: true }];
  test.each(BUNDLES)("a bundle made with %o runs, and ends when it is idle", async (options) => {
    const text = await bundle(`${PROGRAM} console.log(await main(2));`, { format: "esm", platform: "node", ...options });
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module"], { input: text, encoding: "utf8" });
    expect({ stdout, stderr, status }).toEqual({ stdout: `${WANT}\n`, stderr: "", status: 0 });
  });

  test("a page that may not share memory: bundled for browsers, on the calling thread", async () => {
    const text = await bundle(PROGRAM, { format: "iife", platform: "browser", globalName: "program" });
    const page = createContext({ performance, setTimeout, TextEncoder });
    expect(await (runInContext(`${text}; program.main(4)`, page) as Promise<string>)).toBe(WANT);
  });
});

test("what threads run names nothing outside itself", () => {
  const globals = "declare const performance: { now(): number; timeOrigin: number }, WebAssembly: any;\n";
  const files: Readonly<Record<string, string>> = { "thread.js": THREAD_TEXT, "globals.d.ts": globals };
  const host = ts.createCompilerHost({});
  const readFile = host.getSourceFile;
  host.getSourceFile = (name, ...rest) =>
    (files[name] === undefined ? readFile(name, ...rest) : ts.createSourceFile(name, files[name], ts.ScriptTarget.ES2022));
  const options = { allowJs: true, checkJs: true, noEmit: true, types: [], lib: ["lib.es2022.d.ts"] };
  const program = ts.createProgram(Object.keys(files), options, host);
  const messages = ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  expect(messages.filter((text) => text.startsWith("Cannot find name"))).toEqual([]);
});

describe("the order of work", () => {
  const launches = fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 12 });
  const WORDS = [SMALL, LARGE, SMALL, LARGE, SMALL];
  const planOf = (pairs: readonly (readonly [number, number])[]): KernelPlan =>
    handMadePlan(WORDS, { go: pairs.map(([a, b], i) => ({ kernel: "mix", buffers: [a, b], sizes: [i] })) });
  const callOf = ({ sizes, workgroups: [x, y] }: Dispatch) => ({ kernel: 0, sizes: sizes[0]!, groups: x * y, buffers: [] });

  test("everything that one launch uses and another writes keeps its order, and each launch is there once", () => {
    fc.assert(fc.property(launches, fc.constantFrom(1, 8), (pairs, most) => {
      const { tasks, entries } = listTasks(planOf(pairs), callOf, most);
      const inOrder = tasks.slice(...entries["go"]!.all).flatMap((task) => task.calls.map(({ sizes }, i) => ({ launch: sizes, task, i })));
      expect(inOrder.map(({ launch }) => launch).sort((a, b) => a - b)).toEqual(pairs.map((_, i) => i));
      const isBefore = (a: number, b: number): boolean => {
        const [x, y] = [a, b].map((n) => inOrder.find(({ launch }) => launch === n)!) as [typeof inOrder[0], typeof inOrder[0]];
        return x.task === y.task ? x.i < y.i : x.task.nextStage <= y.task.stage;
      };
      pairs.forEach(([a, b], i) => pairs.slice(i + 1).forEach(([c, d], j) => {
        if (b === c || b === d || a === d) expect(isBefore(i, i + 1 + j)).toBe(true);
      }));
    }));
  });

  test("units are numbered without gaps, and stages hold them", () => {
    fc.assert(fc.property(launches, (pairs) => {
      const { tasks } = listTasks(planOf(pairs), callOf, 8);
      const ends = tasks.map((task: Task) => task.first + task.units);
      expect(tasks.map(({ first }) => first)).toEqual([0, ...ends].slice(0, tasks.length));
      expect(tasks.every(({ stage, first, units, nextStage }) => stage <= first && first + units <= nextStage)).toBe(true);
    }));
  });
});
