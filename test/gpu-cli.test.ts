/** The commands end to end, on the adapter of this machine. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, existsSync, cpSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors, writeSafetensors } from "../runtime/files/safetensors.ts";
import { currentCheckpoint, readLog } from "../runtime/train/index.ts";
import { hashOf, json, moeut, moeutHere, moeutStopped } from "./support/cli.ts";
import { makeGolden } from "./support/made-golden.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-gpu-cli-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const STEPS = 12;
/** Small batches: the kernels are the same. */
const SMALL = ["--set", "train.batch=2", "--set", "seq_len=32"];
const TOKENS = 4 * 2 * 32; // of one evaluation
const train = (out: string, ...more: readonly string[]): readonly string[] =>
  ["train", "specs/tiny.moeut", "--data", "typescript", "--out", join(scratch, out), "--steps", String(STEPS), ...SMALL, "--set", "train.optimizer.lr=1e-2", "--set", "train.checkpoint_every=2", "--set", "train.eval_every=6", ...more];
const bytesOf = (run: string): readonly string[] => ["weights", "optimizer"].map((name) => hashOf(join(currentCheckpoint(join(scratch, run))!, `${name}.safetensors`)));

describe("training", () => {
  beforeAll(async () => {
    const result = await moeut(train("straight", "--json"));
    expect(result.stderr).toContain("step 12/12");
    expect(json(result)).toMatchObject({ step: STEPS, finished: true });
  });

  test("the loss falls, and the log has every step", () => {
    const log = readLog(join(scratch, "straight", "log.jsonl"));
    expect(log.map((r) => r.step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    expect(log.at(-1)!.ce_loss).toBeLessThan(log[0]!.ce_loss - 0.5);
    expect(log[5]!.validation_loss).toBeGreaterThan(0);
  });

  test("killed, it resumes to the same bits", async () => {
    const killed = await moeutStopped(train("killed"), /step +5\//, "SIGKILL");
    expect(killed.status).toBeNull();
    expect(currentCheckpoint(join(scratch, "killed"))).not.toBeNull();
    const resumed = await moeut(train("killed", "--resume"));
    expect(resumed.stderr).toMatch(/resuming after step \d+ of 12/);
    expect(resumed.status).toBe(0);
    expect(bytesOf("killed")).toEqual(bytesOf("straight"));
    expect(readLog(join(scratch, "killed", "log.jsonl")).map(({ seconds: _, ...r }) => r)).toEqual(readLog(join(scratch, "straight", "log.jsonl")).map(({ seconds: _, ...r }) => r));
  });

  test("Ctrl-C saves, exits with 130, and the run resumes to the same bits", async () => {
    const stopped = await moeutStopped(train("stopped"), /step +3\//, "SIGINT");
    expect(stopped).toMatchObject({ status: 130, stdout: expect.stringMatching(/stopped after step \d+ of 12, saved/) });
    expect((await moeutHere(train("stopped", "--resume"))).status).toBe(0);
    expect(bytesOf("stopped")).toEqual(bytesOf("straight"));
  });

  test("a second training of a run in use is refused; the first goes on, also when nobody reads its output any more", async () => {
    let second: ReturnType<typeof moeutHere> | null = null;
    const first = await moeutStopped(train("twice"), /step +1\//, "SIGSTOP", (all, child) => {
      if (!all.includes("step  1/") || second !== null) return;
      second = moeutHere(train("twice", "--resume"));
      void second.finally(() => child.kill("SIGCONT"));
      child.stdout!.destroy();
      child.stderr!.destroy();
    });
    expect(first.status).toBe(0);
    expect(await second).toMatchObject({ status: 1, stderr: expect.stringMatching(/twice is in use by process \d+ since .* UTC; wait for it to end, or stop it/) as string });
    expect(bytesOf("twice")).toEqual(bytesOf("straight"));
    expect(readdirSync(join(scratch, "twice")).sort()).toEqual(["checkpoint.json", "checkpoints", "log.jsonl", "run.json", "spec.moeut"]);
  });

  test.each([
    { why: "no --resume", more: [], message: /already holds a run; add --resume/ },
    { why: "another seed", more: ["--resume", "--seed", "5"], message: /the seed is 5, but the run was made with 0/ },
    { why: "another spec", more: ["--resume", "--set", "d_model=32"], message: /a run of another spec/ },
  ])("a run folder is not overwritten: $why", async ({ more, message }) => {
    const before = bytesOf("straight");
    const result = await moeutHere(train("straight", ...more)); // found before an adapter is opened
    expect(result.stderr).toMatch(message);
    expect(result.status).toBe(1);
    expect(bytesOf("straight")).toEqual(before);
  });

  test("a run that diverges names what went bad and keeps its checkpoint", async () => {
    const result = await moeutHere(["train", "specs/tiny.moeut", "--data", "typescript", "--out", join(scratch, "wild"), "--steps", "30", ...SMALL, "--set", "train.optimizer.lr=10", "--set", "train.checkpoint_every=1", "--set", "train.grad_clip=none"]);
    expect(result.stderr).toMatch(/training diverged in step \d+: .* is not finite; the first tensor that went bad is ".+"/);
    expect(result.status).toBe(1);
    expect(currentCheckpoint(join(scratch, "wild"))).not.toBeNull();
  });

  test("generate streams the same text for the same seed, and another for another", async () => {
    const given = ["generate", join(scratch, "straight"), "--prompt", "type ", "--max-tokens", "40"];
    const [streamed, document] = [await moeut(given), await moeutHere([...given, "--json"])];
    const other = await moeutHere([...given, "--json", "--seed", "1"]);
    const { text } = json(document);
    expect(streamed.stdout).toBe(`type ${text}\n`);
    expect(json(other).text).not.toBe(text);
  });

  test("eval measures what training held out, and all of other data", async () => {
    const [own, other] = [await moeut(["eval", join(scratch, "straight"), "--data", "typescript", "--max-tokens", String(TOKENS), "--json"]), await moeutHere(["eval", join(scratch, "straight"), "--data", "scan", "--max-tokens", String(TOKENS), "--json"])];
    const result = json(own);
    expect(result).toMatchObject({ held_out: true, tokens: TOKENS, step: STEPS });
    expect(result.loss).toBeCloseTo(readLog(join(scratch, "straight", "log.jsonl")).at(-1)!.validation_loss!, 5);
    expect(result.bits_per_byte).toBeCloseTo(result.loss / Math.LN2, 10);
    expect(json(other).held_out).toBe(false);
  });

  test("a prepared corpus is trained on with its own tokenizer, resumed to the same bits, and measured by what it holds out", async () => {
    const [corpus, tokenizer] = [join(scratch, "corpus"), join(scratch, "tokenizer.json")];
    expect((await moeutHere(["tokenizer", "train", "scan", "--vocab-size", "300", "--out", tokenizer])).status).toBe(0);
    expect((await moeutHere(["data", "prepare", "scan", "--tokenizer", tokenizer, "--out", corpus])).status).toBe(0);
    const settings = ["--steps", "4", ...SMALL, "--set", "vocab_size=300", "--set", "train.checkpoint_every=1"];
    const on = (out: string, ...more: readonly string[]) =>
      ["train", "specs/tiny.moeut", "--data", corpus, "--out", join(scratch, out), ...settings, ...more];
    expect(json(await moeutHere(on("prepared", "--json")))).toMatchObject({ step: 4, finished: true });
    expect((await moeutStopped(on("stopped-prepared"), /step +2\//, "SIGKILL")).status).toBeNull();
    expect((await moeutHere(on("stopped-prepared", "--resume"))).status).toBe(0);
    expect(bytesOf("stopped-prepared")).toEqual(bytesOf("prepared"));
    const measured = json(await moeutHere(["eval", join(scratch, "prepared"), "--data", corpus, "--max-tokens", String(TOKENS), "--json"]));
    expect(measured).toMatchObject({ held_out: true, tokens: TOKENS, data: [corpus] });
    expect(measured.loss).toBeLessThan(Math.log(300));
  });

  test("damaged weights are refused by name", async () => {
    cpSync(join(scratch, "straight"), join(scratch, "damaged"), { recursive: true });
    const path = join(currentCheckpoint(join(scratch, "damaged"))!, "weights.safetensors");
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 1000));
    const result = await moeutHere(["generate", join(scratch, "damaged")]);
    expect(result.stderr).toMatch(/weights.safetensors is not a sound safetensors file.*truncated/);
    expect(result.status).toBe(1);
  });
});

test("compare: interrupted and started again, it ends with results and a report", async () => {
  const out = join(scratch, "compared");
  const args = ["compare", "specs/demo.moeut", "--data", "typescript", "--steps", "6", "--seeds", "1", "--eval-tokens", "512", "--depths", "1", "--set", "train.eval_every=3", "--set", "seq_len=32", "--set", "train.batch=2", "--out", out];
  const stopped = await moeutStopped(args, /dense seed 0 +step +2\//, "SIGINT");
  expect(stopped).toMatchObject({ status: 130, stdout: expect.stringContaining("the same command continues") });
  const result = await moeutHere([...args, "--json"]);
  const results = json(result);
  expect(result.stderr).not.toContain("moeut seed 0  step");
  expect(results.variants.map((v: { name: string }) => v.name)).toEqual(["moeut", "dense"]);
  expect(results.variants[1].difference.per_seed).toHaveLength(1);
  expect(results.variants.map((v: { depths: unknown }) => v.depths)).toEqual([
    { trained: 2, points: [1, 2].map((passes) => expect.objectContaining({ passes })) }, null,
  ]);
  const [shallow, whole] = results.variants[0].depths.points.map((point: { loss: { mean: number } }) => point.loss.mean);
  expect(whole).toBe(results.variants[0].validation_loss.mean);
  expect(Math.abs(shallow - whole)).toBeGreaterThan(1e-4);
  for (const { accuracy } of results.variants[0].depths.points) expect(accuracy).toEqual({ mean: expect.any(Number), sd: null });
  expect(results.variants[0].sample.text.length).toBeGreaterThan(20);
  expect(JSON.parse(readFileSync(join(out, "results.json"), "utf8"))).toEqual(results);
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("</html>");
  expect(results.variants[1].step_seconds).toMatchObject({ measured: "in turn", ratio: expect.any(Number) });
  const other = await moeutHere([...args, "--steps", "7"]);
  expect(other.status).toBe(1);
  expect(other.stderr).toMatch(/moeut-seed0: steps is 7, but the run was made with 6.*\n.*dense-seed0: steps is 7/);
});

test("compare: the budget is of the variants that are chosen, one that is too large fails alone, and one that cannot write has results", async () => {
  const file = join(scratch, "budget.moeut");
  writeFileSync(file, `moeut 1
model other { vocab_size 256  seq_len 64  d_model 16  layer a { feed_forward dense { d_ff 16 } }  train { batch 8 } }
model open from other { seq_len 16  layer * { attention { causal false } }  train { batch 2  accumulate 2 } }
model huge from open { vocab_size 16_000_000  d_model 128  train { accumulate 1 } }
`);
  const out = join(scratch, "budget");
  const result = await moeutHere(["compare", file, "--model", "open", "--model", "huge", "--tokens", "64", "--seeds", "1", "--eval-tokens", "64", "--data", "scan", "--out", out, "--json"]);
  const results = json(result);
  expect(result.status).toBe(0);
  expect(results.budget).toEqual({ steps: 2, batch: 2, seq_len: 16, tokens: 64, given: "64 tokens" });
  expect(results.variants[0]).toMatchObject({ validation_loss: { sd: null }, sample: null });
  expect(results.variants[1].runs[0].failed).toMatch(/huge is too large for/);
  expect(result.stderr).toMatch(/sampling from open failed: .*causal false/);
  expect(existsSync(join(out, "report.html"))).toBe(true);
});

describe("verify", () => {
  test("sound numbers pass, changed ones do not, and a folder that cannot be read does not hide the others", async () => {
    const [sound, changed] = [join(scratch, "sound"), join(scratch, "changed")];
    for (const folder of [sound, changed]) makeGolden(folder);
    changeTensors(join(changed, "io.safetensors"), { layers: (x, i) => (i === 5 ? x + 0.01 : x), "grad.out_norm.bias": () => 0, reg_loss: () => 0 });
    changeTensors(join(changed, "train.safetensors"), { loss: (x, i) => (i === 1 ? x + 0.001 : x) });
    const result = await moeutHere(["verify", sound, changed, join(scratch, "nowhere"), "--json"]);
    const { ok, folders } = json(result);
    expect(result.status).toBe(1);
    expect([ok, ...folders.map((f: { ok: boolean }) => f.ok)]).toEqual([false, true, false, false]);
    const beyond = folders[1].quantities.filter((q: { ok: boolean }) => !q.ok);
    expect(beyond.map((q: { name: string; where: string }) => [q.name, q.where])).toEqual([
      ["layer outputs", "layers.0"], ["reg loss", expect.stringMatching(/ for 0$/)], ["gradients", "head.norm.bias"], ["loss in 2 steps", "step 2"]]);
    expect(beyond[1].worst).toBe("Infinity");
    expect(folders[2].problem).toMatch(/is not a golden folder/);
  });
});

/** Writes a file anew with other numbers in some of its tensors. */
function changeTensors(path: string, changes: Readonly<Record<string, (x: number, i: number) => number>>): void {
  const file = readSafetensors(path);
  writeSafetensors(path, [...file.tensors].map(([name, { dtype, shape }]) => dtype === "F32"
    ? { name, dtype, shape, data: file.readFloats(name).map(changes[name] ?? ((x) => x)) }
    : { name, dtype: "I32" as const, shape, data: file.readIntegers(name) }));
}

describe("the environment", () => {
  test("no such adapter: status 2, and nothing is written", async () => {
    const result = await moeut(train("nowhere", "--adapter", "voodoo"));
    expect(result.stderr).toMatch(/no adapter matches "voodoo"/);
    expect(result.status).toBe(2);
    expect(existsSync(join(scratch, "nowhere"))).toBe(false);
  });
  test("a model too large for the device: the tensor, what it needs, what there is, what to do", async () => {
    const result = await moeutHere(train("huge", "--set", "vocab_size=16_000_000"));
    const message = /tiny is too large for .*: .+ needs [\d.]+ GiB in (one buffer|all, .+), and the device allows .+; choose/;
    expect(result.stderr).toMatch(message);
    expect(result.status).toBe(1);
    expect(existsSync(join(scratch, "huge"))).toBe(false);
  });
});
