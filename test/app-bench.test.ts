/** What `moeut bench` measures, how it takes turns, and how it speaks with peers. No device, no peer's package. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openPeer } from "../cli/bench/peers.ts";
import { kernelTable, resultOf, resultTable, type Measured } from "../cli/bench/report.ts";
import { workloadsOf } from "../cli/bench/workloads.ts";
import { planModel } from "../compiler/compile.ts";
import { countMacs } from "../compiler/counts/index.ts";
import { ODD_MODELS } from "./support/odd-models.ts";
import { ratioOf, takeTurns, type Contestant } from "../runtime/bench/index.ts";
import { EnvironmentError, UserError } from "../runtime/errors.ts";
import { moeut } from "./support/cli.ts";

const OPTIONS = { set: [], mode: "train" } as const;

const contestant = (name: string, check: number, run: Contestant["run"] = async () => 0): Contestant =>
  ({ name, check, run, close: () => {} });

describe("workloads", () => {
  test("all of them, unless some are named", () => {
    const label = (what: readonly string[]): readonly string[] => workloadsOf(what, OPTIONS).map(({ name, mode }) => `${name} ${mode}`);
    expect(label([])).toEqual(["W1 train", "W2 train", "W3 forward", "W3 train", "W4 train", "W5 generate", "W6 forward"]);
    expect(label(["w6", "specs/tiny.moeut"])).toEqual(["W6 forward", "tiny train"]);
  });

  test("a step counts its micro-batches, generation the tokens that it adds", () => {
    const [step] = workloadsOf(["specs/tiny.moeut"], { ...OPTIONS, set: ["train.batch=8", "train.accumulate=2"] });
    expect({ batch: step!.batch, tokens: step!.tokens }).toEqual({ batch: 4, tokens: 8 * 64 });
    const [text] = workloadsOf(["W5"], OPTIONS);
    expect({ batch: text!.batch, tokens: text!.tokens }).toEqual({ batch: 1, tokens: 128 });
  });

  test("neither a workload nor a spec", () => expect(() => workloadsOf(["W9"], OPTIONS)).toThrow(UserError));

  test("a peer that there is not", async () => {
    const { status, stderr } = await moeut(["bench", "W1", "--adapter", "swiftshader", "--peer", "torch"]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/no peer "torch"; there are pytorch, jax-js/) });
  });
});

test.each(["W1", "W2", "W3", "W4"])("flops of all launches of %s forward are what docs/counting.md counts", (name) => {
  const { model, batch } = workloadsOf([name], OPTIONS)[0]!;
  const { evaluate } = planModel(model, { batch, seqLen: model.seqLen, entries: ["evaluate"] }).entries;
  const flops = evaluate!.reduce((sum, launch) => sum + (launch.flops ?? 0), 0);
  // Between experts, kernels multiply the gates in elementwise, which `full` counts; channels are padded to four.
  expect(Math.abs(flops / (2 * batch * countMacs(model).full) - 1)).toBeLessThan(0.01);
});

test.each(["grouped queries", "encoder attention", "encoder attention with a window", "norm of queries and keys, experts, a window"])(
  "attention counts each query and key that see each other: %s", (name) => {
    const model = ODD_MODELS[name]!;
    const { causal, window, nHeads, dHead } = model.layers[0]!.attention;
    const positions = [...Array(model.seqLen).keys()];
    const sees = (query: number, key: number): boolean => !(causal && key > query) && (window === null || Math.abs(query - key) < window);
    const pairs = positions.flatMap((query) => positions.filter((key) => sees(query, key))).length;
    const { evaluate } = planModel(model, { batch: 3, seqLen: model.seqLen, entries: ["evaluate"] }).entries;
    const found = evaluate!.filter(({ work }) => work.kind === "attention").map(({ flops }) => flops);
    expect(new Set(found)).toEqual(new Set([4 * 3 * nHeads * dHead * pairs]));
  },
);

describe("turns", () => {
  test("each runs once a round, and the ratio is the median of the rounds' own", async () => {
    const order: string[] = [];
    const runs = (name: string, seconds: readonly number[]): Contestant => {
      const left = [...seconds];
      return contestant(name, 1, async () => (order.push(name), left.shift()!));
    };
    const [a, b] = await takeTurns([runs("a", [1, 5, 1]), runs("b", [2, 10, 4])], 3, () => {});
    expect(order.join("")).toBe("ababab");
    if (!("rounds" in a! && "rounds" in b!)) throw new Error("one of them was lost");
    expect(ratioOf(a.rounds, b.rounds)).toBe(0.5);
  });

  test("who dies is left out, and the others go on", async () => {
    let left = 2;
    const mortal = contestant("mortal", 1, async () => {
      if (--left === 0) throw new EnvironmentError("it ended without an answer: Killed");
      return 1;
    });
    const turns = await takeTurns([contestant("ours", 1, async () => 1), mortal, contestant("other", 1, async () => 3)], 3, () => {});
    expect(turns).toEqual([{ rounds: [1, 1, 1] }, { lost: "it ended without an answer: Killed" }, { rounds: [3, 3, 3] }]);
    left = 1;
    await expect(takeTurns([mortal], 1, () => {})).rejects.toThrow("Killed"); // ours: there is nothing to hold others against
  });

  test("who is slow is passed over after some rounds, and held against ours of the same rounds", async () => {
    const ours = [2, 4, 5, 5];
    const slow = [contestant("slow", 1, async () => 40), contestant("slower", 1, async () => 100)];
    const turns = await takeTurns([contestant("ours", 1, async () => ours.shift()!), ...slow], 4, () => {});
    expect(turns).toEqual([{ rounds: [2, 4, 5, 5] }, { rounds: [40, 40] }, { rounds: [100] }]);
    expect(ratioOf([2, 4, 5, 5], [100])).toBe(0.02);
  });

  test("the table says who is how fast, what is wanted, who is absent, and whose results differ", () => {
    const [workload] = workloadsOf(["W1"], OPTIONS);
    const measured: readonly Measured[] = [
      { contestant: contestant("moeut on x", 5), rounds: [1, 2, 3], goal: undefined },
      { contestant: contestant("same", 5.00001), rounds: [2, 4, 6], goal: 0.7 },
      { contestant: contestant("other", 5.5), rounds: [1, 1, 1], goal: undefined },
      { contestant: contestant("slow", 5), rounds: [100], goal: undefined },
    ];
    const kernels = [{ kernel: "matmul", launches: 2, seconds: 0.01, flops: 1e9, bytes: 2 ** 20 }];
    const absent = [{ name: "gone", reason: "not installed" }];
    const result = resultOf(workload!, measured, absent, { buffers: 3e6, least: 2e6 }, { kernels, outside: 0.07 });
    const text = resultTable([result]);
    expect(text).toMatch(/W1 train +moeut on x +2\.00 s +1\.00 s/);
    expect(text).toMatch(/same .* 0\.50× +≤ 0\.70× +agree to 2e-6/);
    expect(text).toMatch(/other .* 2\.00× +DIFFER by 10%/);
    expect(text).toMatch(/slow, 1 round +100\.0 s .* 0\.01×/);
    expect(text).toMatch(/gone: not installed/);
    const byKernel = kernelTable(result, { flopsPerSecond: 4e11, bytesPerSecond: 1e12 });
    expect(byKernel).toMatch(/a whole run takes 2\.00 s, 7\.0% of it outside of kernels\n/);
    expect(byKernel).toMatch(/buffers take 2\.9 MiB, 1\.50 times the least/);
    expect(byKernel).toMatch(/matmul +2 +10\.0 ms +100% +1\.00B +1\.0 MiB .* 25%/);
  });
});

describe("peers", () => {
  const folder = mkdtempSync(join(tmpdir(), "moeut-peer-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const peer = (name: string, program: string) => {
    const file = join(folder, `${name}.mjs`);
    writeFileSync(file, program);
    return { name, goals: {}, command: (): readonly [string, ...string[]] => [process.execPath, file] };
  };

  test("it warms up, says its version and its result, and runs when it is told", async () => {
    const opened = await openPeer(peer("good", `
      console.log(JSON.stringify({ version: "good 1", check: process.argv[2].length }));
      for await (const _ of process.stdin) console.log(JSON.stringify({ seconds: 0.25 }));
    `), "job");
    expect(opened).toMatchObject({ name: "good 1", check: 3 });
    expect([await opened.run(), await opened.run()]).toEqual([0.25, 0.25]);
    opened.close();
  });

  test.each([
    ["says that it cannot", `console.log('{"cannot": "no such operation"}')`, /^no such operation$/],
    ["ends without an answer", `throw new Error("out of memory")`, /ended without an answer: Error: out of memory/],
    ["answers what nobody asked", `console.log('{"seconds": 1}')`, /out of turn/],
    ["prints something else", `console.log("hello")`, /out of turn/],
  ])("one that %s is a reason, not a failure", async (name, program, message) => {
    const opening = openPeer(peer(name, program), "job");
    await expect(opening).rejects.toThrow(EnvironmentError);
    await expect(opening).rejects.toThrow(message);
  });

  test("one that does not come to an end is ended", async () => {
    const opening = openPeer(peer("endless", `console.error("busy"); for (;;);`), "job", 0.5);
    await expect(opening).rejects.toThrow(/^its first run was not over after 0\.5 s$/);
  });
});
