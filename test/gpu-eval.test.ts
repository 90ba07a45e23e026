/** `moeut eval` end to end: what was held out stays so however it comes, and the result says what was measured. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRandom } from "../runtime/standalone/random.ts";
import { json, moeutHere } from "./support/cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-gpu-eval-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, content: string): string => (writeFileSync(join(scratch, name), content), join(scratch, name));

const random = createRandom(1, "gpu eval test");
const CORPUS = Array.from({ length: 2000 }, (_, i) => "etaoin shrdlu"[Math.floor(random.uniform(i) * 13)]).join("");
const spec = file("halting.moeut", `moeut 1
model halting {
  vocab_size 256  seq_len 16  d_model 16  halting act { threshold 0.99  weight 0.01 }
  layer a { norm layernorm at pre  attention mha { n_heads 1  d_head 16 }  feed_forward dense { d_ff 16 } }
  stack a * 2
}
train { batch 4  steps 1  eval_every 1  optimizer adamw { lr 1e-3 } }
`);
const corpus = file("corpus.txt", CORPUS);
const RUN = join(scratch, "run");
const evaluate = (...args: readonly string[]) => moeutHere(["eval", RUN, ...args]);

beforeAll(async () => {
  const { status, stderr } = await moeutHere(["train", spec, "--data", corpus, "--out", RUN]);
  expect(status, stderr).toBe(0);
});

test("what was held out is measured as in training; a depth that the model cannot have is named, and does not hide the others", async () => {
  const result = await evaluate("--data", corpus, "--passes", "1,2", "--json");
  const [one, two] = json(result);
  const log = JSON.parse(readFileSync(join(RUN, "log.jsonl"), "utf8").trim().split("\n").at(-1)!);
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(/error: --passes 1: halting halts in front of its second/);
  expect(one).toMatchObject({ passes: 1, held_out: true, problem: expect.stringContaining("no depth of 1") });
  expect(one.loss).toBeUndefined();
  expect(two).toMatchObject({
    passes: 2, held_out: true, text: "held out from training: 6 pieces of 17 tokens", seen_in_training: null,
    protocol: "disjoint blocks of 16 predicted tokens, each read with nothing before it", context: 16, stride: 16, tokens: 6 * 16, unmeasured_tokens: 6, unmeasured_bytes: 6,
  });
  expect(two.loss).toBeCloseTo(log.validation_loss, 5);
});

test.skipIf(process.platform === "win32")("it stays held out where the source is a pipe and the context another, and with a stride nothing but first tokens is left out", async () => {
  const pipe = join(scratch, "pipe");
  execFileSync("mkfifo", [pipe]);
  spawn("sh", ["-c", `cat "${corpus}" > "${pipe}"`]);
  const { status, stdout } = await evaluate("--data", pipe, "--set", "seq_len=8", "--stride", "4");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^text +held out from training: 6 pieces of 17 tokens$/m);
  expect(stdout).toMatch(/^protocol +windows of 8 tokens, 4 apart: each token once, with at least 4 before it where the text has them$/m);
  expect(stdout).toMatch(/^\(96 tokens predicted; 6 bytes of the text not measured\)$/m);
});

test("a depth that nobody meant is measured, or what stands in the way is said", async () => {
  const { status, stdout, stderr } = await evaluate("--data", corpus, "--max-tokens", "16", "--passes", "300,1000000000");
  expect(stderr).toMatch(/--passes 1000000000: halting can have 10000 passes at most/);
  expect(stdout).toMatch(/^passes +300\nloss +\d+\.\d+ nats/m); // of a single window no error can be estimated
  expect(status).toBe(1);
});

test("no depth that the model can have: nothing is read, and the status is 1", async () => {
  const { status, stdout, stderr } = await evaluate("--data", "nowhere.txt", "--passes", "1");
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/no depth of 1/);
});
