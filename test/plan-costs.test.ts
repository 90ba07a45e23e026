/**
 * What a spec costs to check, count and plan grows with what it describes and not with its square. CPU time, since the machine may be busy.
 */
import { expect, test } from "vitest";
import { passing, type Launch } from "../compiler/5-plan/launch.ts";
import { assignBuffers } from "../compiler/5-plan/memory.ts";
import { compileModel } from "../compiler/compile.ts";
import { countMacs, countParams } from "../compiler/counts/index.ts";
import { withPasses } from "../compiler/stack/depth.ts";
import { bindingKey } from "../runtime/standalone/limits.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { checkText } from "./support/corpus.ts";

const HEAD = "vocab_size 16  seq_len 8  d_model 16";
const TRAIN = "train { batch 2 }";
const DENSE = "attention mha { n_heads 2  d_head 8 }  feed_forward dense { d_ff 8 }";
const EXPERTS = "attention switchhead { n_heads 2  d_head 8  n_experts 2 on v, o  top_k 1 }  feed_forward moe { n_experts 4  expert_size 8  top_k 2 }";
const list = (n: number, name: (i: number) => string): string => Array.from({ length: n }, (_, i) => name(i)).join(", ");
const file = (...models: readonly string[]): string => `moeut 1\n${models.join("\n")}`;
const one = (body: string): string => file(`model m { ${HEAD}  ${body}  ${TRAIN} }`);

const SPECS: Readonly<Record<string, { readonly from: number; readonly text: (n: number) => string }>> = {
  "own layers": { from: 25, text: (n) => one(`layer a { ${DENSE} }  stack own(a) * ${n}`) },
  "own layers that tokens leave": { from: 20, text: (n) => one(`layer a { ${DENSE} }  halting act { threshold 0.9 }  stack own(a) * ${n}`) },
  "passes": { from: 20, text: (n) => one(`layer a { ${EXPERTS} }  stack a * ${n}`) },
  "passes over a core": { from: 20, text: (n) => one(`layer a { ${DENSE} }  core { inject concat  pass_embedding learned }  halting graves { threshold 0.9 }  stack core(a) * ${n}`) },
  "layers in a group": { from: 25, text: (n) => one(`layer ${list(n, (i) => `l${i}`)} { ${DENSE} }  stack (${list(n, (i) => `l${i}`)}) * 1`) },
  "experts": { from: 4096, text: (n) => one(`layer a { attention mha { n_heads 2  d_head 8 }  feed_forward moe { n_experts ${n}  expert_size 8  top_k ${n} } }`) },
  "heads": { from: 4096, text: (n) => one(`layer a { attention mha { n_heads ${n}  d_head 4 }  feed_forward dense { d_ff 8 } }`) },
  "models": { from: 15, text: (n) => file(...Array.from({ length: n }, (_, i) => `model m${i} { ${HEAD}  layer a { ${DENSE} }  ${TRAIN} }`)) },
  "variants": { from: 15, text: (n) => file(`model m { ${HEAD}  layer a { ${DENSE} }  ${TRAIN} }`, `compare c { base m  vary train.optimizer.lr in ${list(n, (i) => `${(i + 1) / 1000}`)} }`) },
};

const seconds = (work: () => void): number => {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
};

/** All that `inspect` does, and the graphs of generation. */
function plan(model: ModelSpec): void {
  countParams(model);
  countMacs(model);
  compileModel(model, { batch: 2, seqLen: 8, entries: ["train", "update", "evaluate", "prefill", "decode"] });
}

function planText(text: string): void {
  const { models, compares, diagnostics } = checkText(text);
  const variants = compares.flatMap((compare) => compare.variants.map((variant) => variant.model));
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  [...models, ...variants].forEach(plan);
}

/** Time is noise: the best of a few tries must be near 2 and not near 4. */
function expectGrowth(from: number, work: (n: number) => void): void {
  const ratios: number[] = [];
  while (ratios.length < 5) {
    // The first of all is the slower one, whose code is not compiled yet.
    const [small, large] = [Math.min(seconds(() => work(from)), seconds(() => work(from))), seconds(() => work(2 * from))];
    ratios.push(large / Math.max(small, 0.005));
    if (ratios.at(-1)! < 3) return;
  }
  expect(Math.min(...ratios)).toBeLessThan(3);
}

test.each(Object.entries(SPECS))("%s", (_, { from, text }) => expectGrowth(from, (n) => planText(text(n))));

test("a trained model evaluated at more passes", () => {
  const [model] = checkText(one(`layer a { ${DENSE} }  stack a * 4`)).models;
  expectGrowth(100, (n) => void compileModel(withPasses(model!, n) as ModelSpec, { batch: 2, seqLen: 8, entries: ["evaluate"] }));
});

test("hundreds of layers are planned in seconds", () => {
  expect(seconds(() => planText(one(`layer a { ${EXPERTS} }  stack own(a) * 100`)))).toBeLessThan(60);
});

test("passes bind what the passes before them bound: a device holds no more for a hundred than for ten", () => {
  const [model] = checkText(one(`layer a { ${EXPERTS} }  layer b { ${DENSE} }  stack (a, b) * 2`)).models;
  const groups = (passes: number): number => {
    const { entries } = compileModel(withPasses(model!, passes) as ModelSpec, { batch: 2, seqLen: 8, entries: ["evaluate"] });
    return new Set(entries["evaluate"]!.dispatches.map(bindingKey)).size;
  };
  expect(groups(100)).toBeLessThan(1.1 * groups(10));
});

/** What each layer makes lives until its backward pass, in two sizes; what it makes beside that dies at once. */
test("buffers that tensors share", () => {
  const launches = (depth: number): readonly Launch[] => Array.from({ length: 2 * depth }, (_, at) => {
    const layer = Math.min(at, 2 * depth - 1 - at);
    return { refs: [`wide ${layer}`, `kept ${layer}`, `brief ${at}`] } as unknown as Launch;
  });
  expectGrowth(2_000, (depth) => {
    const planned = launches(depth);
    const refs = [...new Set(planned.flatMap((launch) => launch.refs))];
    assignBuffers(new Map(refs.map((ref) => [ref, passing(ref, ref.startsWith("wide") ? 64 : 32)])), [planned]);
  });
});
