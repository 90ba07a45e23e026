/** `moeut analyze` on a device: it sees the choices of the graph in float64, and tells of a trained run. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { routerSites } from "../compiler/stack/routers.ts";
import { graphOf } from "../compiler/compile.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { recordRemoval } from "../runtime/analyze/removal.ts";
import { keptOutputs, recordRouting } from "../runtime/analyze/routing.ts";
import { readSafetensors } from "../runtime/files/safetensors.ts";
import { IGNORED } from "../runtime/standalone/train-step.ts";
import { json, moeutHere } from "./support/cli.ts";
import { deviceOf, MAIN, rounded, withModel, writeParams } from "./support/gpu.ts";
import { NOISE, ODD_MODELS, T, V } from "./support/odd-models.ts";
import { randomParams } from "./support/tiny-graph.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-gpu-analyze-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, content: string): string => (writeFileSync(join(scratch, name), content), join(scratch, name));

test.each(["MoEUT", "halting"])("choices, entropies and streams are those of float64, and padding is left out: %s", async (name) => {
  const model = ODD_MODELS[name]!;
  const depth = model.schedule.length;
  const graph = graphOf(model, "evaluate", { batch: 2, seqLen: T, lens: true });
  const params = rounded(randomParams(graph, 5, 0.3));
  const tokens = Uint32Array.from({ length: 2 * T }, (_, i) => (i * 31 + 7) % V);
  const targets = tokens.map((token, i) => (i >= 2 * T - 4 ? IGNORED : (token * 3 + 1) % V));
  const sites = routerSites(model);
  const positions = Array.from({ length: 2 * T - 4 }, (_, i) => i).filter((i) => i < T || i >= T + 3);
  const routing = await withModel(await deviceOf(MAIN), model, {
    batch: 2, seqLen: T, entries: ["evaluate"], lens: true, keep: { evaluate: keptOutputs(sites, depth) },
  }, async (executor) => {
    writeParams(executor, params);
    return recordRouting(executor, sites, depth, [{ tokens, targets, scoredFrom: [0, 3] }], () => {}, 5);
  });
  const values = evaluateGraph(graph, { params, inputs: { tokens, targets, noise: NOISE, position: [0] } });
  const output = (which: string): Float64Array => values[graph.outputs[which]!]!;
  expect(sites.length).toBeGreaterThan(0);
  expect(routing.tokens).toEqual(Uint32Array.from(positions, (i) => tokens[i]!));
  expect(routing.starts).toEqual([0, T]);
  for (const { output: which, site, heads, topK, nExperts, chosen, entropy } of routing.sites) {
    const selection = output(`sel.${which}.${site}`);
    const want = positions.flatMap((i) => Array.from({ length: heads * topK }, (_, slot) => {
      const expert = selection[i * heads * topK + slot]!;
      return expert < 0 ? -1 : Math.floor(slot / topK) * nExperts + expert;
    }));
    expect(chosen, `${which}.${site}`).toEqual(Int32Array.from(want));
    expect(entropy).toBeCloseTo(meanEntropy(output(`router.${which}.${site}`), positions, heads, nExperts), 4);
  }
  const mean = (values: ArrayLike<number>): number => positions.reduce((sum, i) => sum + values[i]!, 0) / positions.length;
  if (model.halting === null) expect(routing.states.at(-1)!.loss).toBeCloseTo(mean(output("token_loss")), 4);
  for (const { site, rms, update, loss } of routing.states) {
    expect(loss).toBeCloseTo(mean(output(`token_loss.${site}`)), 4);
    const stream = output(`layers.${site}`);
    const width = stream.length / tokens.length;
    const sizes = positions.map((i) => Math.sqrt(stream.subarray(i * width, (i + 1) * width).reduce((sum, x) => sum + x * x, 0) / width));
    expect(rms).toBeCloseTo(sizes.reduce((a, b) => a + b, 0) / sizes.length, 4);
    const before = output(site === 0 ? "embed_out" : `layers.${site - 1}`);
    expect(update).toBeCloseTo(mean(Float64Array.from(tokens, (_, i) => {
      const norm = (of: (at: number) => number): number => Math.hypot(...Array.from({ length: width }, (_, d) => of(i * width + d)));
      return norm((at) => stream[at]! - before[at]!) / norm((at) => before[at]!);
    })), 4);
    expect(Array.from(routing.streams[site + 1]!), `stream ${site}`).toEqual(positions.slice(0, 5).flatMap((i) =>
      Array.from(stream.subarray(i * width, (i + 1) * width), (x) => expect.closeTo(x, 4))));
  }
});

function meanEntropy(logits: Float64Array, positions: readonly number[], heads: number, nExperts: number): number {
  const slots = positions.flatMap((i) => Array.from({ length: heads }, (_, head) => (i * heads + head) * nExperts));
  const rows = slots.map((first) => logits.subarray(first, first + nExperts));
  const of = (row: Float64Array): number => {
    const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
    return row.reduce((sum, x) => sum - (Math.exp(x) / total) * Math.log(Math.exp(x) / total), 0);
  };
  return rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
}

const spec = (ff: string): string => `moeut 1
model small {
  vocab_size 256  seq_len 8  d_model 16
  layer a { norm layernorm at peri  attention mha { n_heads 1  d_head 16 }  feed_forward ${ff} }
  stack a * 2
}
train { batch 4  steps 3  optimizer adamw { lr 1e-2 } }
`;

test("the loss without an expert is that of float64, where it is removed", async () => {
  const model = ODD_MODELS["MoEUT"]!;
  const graph = graphOf(model, "evaluate", { batch: 2, seqLen: T, lens: true });
  const params = rounded(randomParams(graph, 5, 0.3));
  const tokens = Uint32Array.from({ length: 2 * T }, (_, i) => (i * 31 + 7) % V);
  const targets = tokens.map((token, i) => (i >= 2 * T - 4 ? IGNORED : (token * 3 + 1) % V));
  const windows = [Array.from({ length: T }, (_, i) => i), Array.from({ length: T - 4 }, (_, i) => T + i)];
  const options = { batch: 2, seqLen: T, entries: ["evaluate"], lens: true } as const;
  const removal = await withModel(await deviceOf(MAIN), model, options, async (executor) => {
    writeParams(executor, params);
    return recordRemoval(executor, routerSites(model), 2, [{ tokens, targets, scoredFrom: [0, 0] }]);
  });
  const sums = (removed: number): readonly number[] => {
    const inputs = { tokens, targets, noise: NOISE, position: [0], removed: [removed] };
    const losses = evaluateGraph(graph, { params, inputs })[graph.outputs["token_loss"]!]!;
    return windows.map((window) => window.reduce((total, i) => total + losses[i]!, 0));
  };
  expect(removal).toMatchObject({ tokens: 2 * T - 4, windows: 2 });
  expect(removal.routers.map(({ router }) => router)).toEqual(["a.attention v", "a.attention o", "a.feed_forward"]);
  const [before, sizes] = [sums(0), windows.map(({ length }) => length)];
  const { everywhere, passes } = removal.routers[2]!;
  const found = [passes[0]![3]!, passes[1]![3]!, everywhere[3]!];
  for (const [where, { loss, error }] of found.entries()) {
    const without = sums(1 + (30 + 3) * 3 + where); // behind the experts of attention
    const [a, b] = without.map((sum, i) => (sum - before[i]!) / sizes[i]!) as [number, number];
    expect(loss).toBeCloseTo((a * sizes[0]! + b * sizes[1]!) / (sizes[0]! + sizes[1]!), 5);
    expect(error).toBeCloseTo(Math.abs(a - b) / 2, 5);
  }
});

test("a trained run: every token is counted once per chosen expert, and a page and numbers are written", async () => {
  const corpus = file("corpus.txt", "the cat sat on the mat. ".repeat(60));
  const [run, out] = [join(scratch, "run"), join(scratch, "out")];
  await moeutHere(["train", file("small.moeut", spec("moe { n_experts 4  expert_size 8  top_k 2 }")), "--data", corpus, "--out", run]);
  const states = join(scratch, "states.safetensors");
  const options = ["--remove", "32", "--states", states, "--states-tokens", "20", "--json"];
  const found = json(await moeutHere(["analyze", run, "--data", corpus, "--out", out, ...options]));
  expect(found).toMatchObject({
    step: 3, text: expect.stringMatching(/^held out/), routers: [{ router: "a.feed_forward", n_experts: 4, top_k: 2 }],
  });
  const [{ counts, passes }] = found.routers;
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  expect(passes.map((pass: { counts: readonly number[] }) => sum(pass.counts))).toEqual([2 * found.tokens, 2 * found.tokens]);
  expect(sum(counts)).toBe(4 * found.tokens);
  const each = [{ length: 4 }, { length: 4 }];
  expect(found.removal).toMatchObject({ tokens: 32, windows: 4, routers: [{ passes: each, everywhere: { length: 4 } }] });
  const written = readSafetensors(states);
  expect(written.metadata).toMatchObject({ format: "moeut states", model: "small", step: "3", tokens: "20" });
  expect(written.metadata["spec_hash"]).toBe(JSON.parse(readFileSync(join(run, "run.json"), "utf8")).specHash);
  expect(written.tensors.get("residual.1.a")?.shape).toEqual([20, 16]);
  expect(JSON.parse(readFileSync(join(out, "analysis.json"), "utf8"))).toEqual(found);
  expect(readFileSync(join(out, "analysis.html"), "utf8")).toMatch(/^<!doctype html>[^]*a\.feed_forward/);
  writeFileSync(join(out, "analysis.html"), "mine");
  const { status, stderr } = await moeutHere(["analyze", run, "--data", corpus, "--out", out]);
  expect([status, stderr]).toEqual([1, expect.stringMatching(/not as moeut wrote them.*analysis\.html/)]);
});

test("of a model without experts there is the residual stream, and nothing to remove", async () => {
  const [corpus, run] = [file("dense.txt", "a b c d ".repeat(60)), join(scratch, "dense")];
  await moeutHere(["train", file("dense.moeut", spec("dense { d_ff 8 }")), "--data", corpus, "--out", run]);
  const { status, stdout } = await moeutHere(["analyze", run, "--data", corpus]);
  const said = /^model small has no experts: what follows is its residual stream$[^]*\nchange: /m;
  expect([status, stdout]).toEqual([0, expect.stringMatching(said)]);
  const removing = await moeutHere(["analyze", run, "--data", corpus, "--remove", "8"]);
  expect([removing.status, removing.stderr]).toEqual([1, expect.stringMatching(/^error: model small has no experts to remove/m)]);
});
