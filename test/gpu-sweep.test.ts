/** Comparisons as jobs of a script: done once each, whatever is stopped and started again, and gathered to what `compare` itself makes. */
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readLog, readRun } from "../runtime/train/index.ts";
import { json, moeutHere, ROOT, type CliResult } from "./support/cli.ts";
import { scratchFolder } from "./support/scratch.ts";
import { twoWidths } from "./support/small-specs.ts";
import { QUIET, torchPython } from "./support/torch/python.ts";

const { root, file } = scratchFolder("sweep");
const at = (...names: readonly string[]): string => join(root, ...names);

const SPEC = file("widths.moeut", twoWidths("", "steps 30  checkpoint_every 10  optimizer adamw { lr 1e-2 }"));
const TEXT = file("text.txt", "All work and no play makes Jack a dull boy.\n".repeat(200));
const GIVEN = [SPEC, "--data", TEXT, "--eval-tokens", "500", "--adapter", "cpu"];
const sweep = (out: string, ...more: readonly string[]): Promise<CliResult> => moeutHere(["sweep", ...GIVEN, "--out", at(out), ...more]);

interface Outcome {
  readonly variants: readonly VariantOutcome[];
  readonly pairs: readonly object[];
}

interface VariantOutcome {
  readonly validation_loss: object | null;
  readonly difference: object | null;
  readonly runs: readonly object[];
}

/** What does not depend on when and where runs were made. */
const numbersOf = ({ variants, pairs }: Outcome): object =>
  ({ pairs, variants: variants.map(({ validation_loss, difference, runs }) => ({ validation_loss, difference, runs })) });

describe.skipIf(process.platform === "win32")("jobs", () => {
  beforeAll(async () => expect((await sweep("grid")).stdout).toContain("sweep.sh: 4 jobs"));

  /** Standard output of a script, whose processes are killed as soon as it says `until`. */
  const started = (script: string, until: string | null = null): Promise<string> => new Promise((done) => {
    const child = spawn("sh", [script], { detached: true, stdio: ["ignore", "pipe", "ignore"], cwd: "/" });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (until !== null && output.includes(until)) process.kill(-child.pid!, "SIGKILL");
    });
    child.on("close", () => done(output));
  });

  test("killed in the middle, done by two scripts at once, gathered: what compare makes", async () => {
    expect((await moeutHere(["compare", "--gather", at("grid")])).stderr).toMatch(/error: .*widths_32-seed0 is not finished: step 0 of 30/);
    const script = at("grid", "sweep.sh");
    const before = await started(script, "widths_32-seed1");
    const both = await Promise.all([started(script), started(script)]);
    const jobs = [...both.join("").matchAll(/^widths_\d+-seed\d$/gm)].map(([job]) => job);
    expect(before).toMatch(/^widths_48-seed0: done, held-out loss \d\.\d{4}$/m);
    expect(jobs.toSorted()).toEqual(["widths_32-seed1", "widths_48-seed1"]);
    expect(await started(script)).toBe("");
    const gathered = json(await moeutHere(["compare", "--gather", at("grid"), "--json"])) as Outcome;
    const compared = json(await moeutHere(["compare", ...GIVEN, "--out", at("compared"), "--json"])) as Outcome;
    expect(numbersOf(gathered)).toEqual(numbersOf(compared));
  });
});

const python = await torchPython();

describe.skipIf(python === null || process.platform === "win32")("jobs of PyTorch", () => {
  const texts = Array.from({ length: 60 }, (_, i) => `{ "text": "All work and no play, ${i} times." }\n`);
  const corpus = file("documents.jsonl", texts.join(""));
  const env = { ...process.env, ...QUIET };
  const given = [SPEC, "--data", at("data"), "--seeds", "1", "--out", at("mixed"), "--adapter", "cpu"];
  /** Python itself in torchrun's place, for one process: torchrun would import PyTorch too, and starts what the README says. */
  const run = (out = "mixed"): SpawnSyncReturns<string> =>
    spawnSync("sh", [at(out, "sweep.sh")], { encoding: "utf8", env: { ...env, TORCHRUN: python! } });

  beforeAll(async () =>
    expect(await moeutHere(["data", "prepare", corpus, "--validation", "0.2", "--out", at("data")])).toMatchObject({ status: 0 }));

  test("stand beside local ones in the report", async () => {
    expect(await moeutHere(["sweep", ...given])).toMatchObject({ status: 0 });
    symlinkSync("elsewhere:1", claimOf("widths_48-seed0")); // so that only the other one is trained here
    expect(run().stdout).toContain("widths_32-seed0: done");
    rmSync(claimOf("widths_48-seed0"));
    expect(await moeutHere(["sweep", ...given, "--torchrun", "-u"])).toMatchObject({ status: 0 });
    const { stdout, stderr } = run();
    expect(stdout, stderr).toMatch(/^widths_48-seed0\n/);
    const { variants } = json(await moeutHere(["compare", "--gather", at("mixed"), "--json"])) as Outcome;
    expect(variants.filter(({ validation_loss }) => validation_loss !== null)).toHaveLength(2);
    const { adapter, seed } = readRun(at("mixed", "runs", "widths_48-seed0"));
    expect({ adapter, seed }).toEqual({ adapter: { kind: "pytorch", name: expect.stringMatching(/ × 1, PyTorch /) as string }, seed: 0 });
    expect(readLog(at("mixed", "runs", "widths_48-seed0", "log.jsonl"))).toHaveLength(30);
    const trained = at("mixed", "jobs", "widths_48-seed0", "trained");
    expect((await moeutHere(["eval", trained, "--data", corpus])).stderr).toContain("`moeut import hf");
  });

  test("the README's three lines lead from a run to several processes", async () => {
    const [lines] = /^npx moeut export hf runs\/tiny [^`]*/m.exec(readFileSync(join(ROOT, "README.md"), "utf8"))!;
    const here = lines.replaceAll("npx moeut", `node ${join(ROOT, "bin", "moeut.mjs")}`)
      .replace("torchrun", `${python} -m torch.distributed.run`)
      .replace("runs/tiny", at("mixed", "runs", "widths_32-seed0")).replace("--nproc-per-node 8", "--standalone --nproc-per-node 2");
    file("readme/corpus/a.txt", texts.join(""));
    const { status, stderr } = spawnSync("sh", ["-e", "-c", here], { encoding: "utf8", env, cwd: at("readme") });
    expect(status, stderr).toBe(0);
    expect(readLog(at("readme", "trained", "log.jsonl"))).toHaveLength(30);
    expect(await moeutHere(["import", "hf", at("readme", "trained"), "--out", at("readme", "back")])).toMatchObject({ status: 0 });
  });

  test("one that diverges is done, and is said to have diverged", async () => {
    const wild = [...given, "--set", "train.optimizer.lr=1e3", "--set", "train.optimizer.weight_decay=100", "--out", at("wild")];
    expect(await moeutHere(["sweep", ...wild, "--torchrun", "-u"])).toMatchObject({ status: 0 });
    symlinkSync("elsewhere:1", claimOf("widths_48-seed0", "wild"));
    const { status, stderr } = run("wild");
    expect(stderr).toMatch(/training diverged in step \d: /);
    expect(status).toBe(0);
    const { variants } = json(await moeutHere(["compare", "--gather", at("wild"), "--json"])) as Outcome;
    const [wide, other] = variants.map(({ runs }) => runs[0] as { readonly diverged: string | null; readonly failed: string | null });
    expect(wide!.diverged).toMatch(/^training diverged in step \d: /);
    expect(other!.failed).toMatch(/widths_48-seed0 is not finished: step 0 of 30/);
    expect(readRun(at("wild", "runs", "widths_32-seed0")).adapter.kind).toBe("pytorch");
  });

  function claimOf(job: string, out = "mixed"): string {
    mkdirSync(at(out, "jobs", job), { recursive: true });
    return at(out, "jobs", job, "claim-1");
  }
});

/** What a script says with `echo` in moeut's place: what it would run. */
const dry = (script: string, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> =>
  spawnSync("bash", [script], { encoding: "utf8", env: { ...process.env, MOEUT: "echo", ...env } });

test("a job is of the specs that the sweep was made with, and has a name", async () => {
  const spec = file("changed.moeut", readFileSync(SPEC));
  const given = [...GIVEN.slice(1), "--tune", "lr=1e-3,2e-3", "--seeds", "1", "--out", at("changed")];
  expect((await moeutHere(["sweep", spec, ...given])).stdout).toContain("6 jobs");
  const job = (name: string): Promise<CliResult> => moeutHere(["sweep", "--job", name, "--out", at("changed")]);
  expect((await job("widths_32")).stderr).toMatch(/no job widths_32; choose one of widths_32-lr0.001-steps30-seed1000000, .*_48-seed0/);
  writeFileSync(spec, readFileSync(spec, "utf8").replace("lr 1e-2", "lr 1e-3"));
  expect((await job("widths_32-seed0")).stderr).toMatch(/the specs or the data are not those that .*changed was made with: undo/);
});

describe.skipIf(process.platform === "win32")("claims", () => {
  const claims = (out: string, job: string): readonly string[] => readdirSync(at(out, "jobs", job)).toSorted();

  test.each([
    ["a process that runs", `${hostname()}:${process.pid}`, false], ["a process that is gone", `${hostname()}:999999999`, true],
    ["another machine", "elsewhere:1", false], ["a Slurm job that runs", "slurm:12", false], ["a Slurm job that is gone", "slurm:13", true],
  ])("of %s", async (name, owner, isTaken) => {
    await sweep(name);
    mkdirSync(at(name, "jobs", "widths_32-seed0"), { recursive: true });
    symlinkSync(owner, at(name, "jobs", "widths_32-seed0", "claim-1"));
    file("bin/squeue", '#!/bin/sh\nif [ "$3" = 12 ]; then echo 12 R; fi\n');
    spawnSync("chmod", ["+x", at("bin", "squeue")]);
    const { stdout, status } = dry(at(name, "sweep.sh"), { PATH: `${at("bin")}:${process.env["PATH"]}` });
    expect(status).toBe(0);
    expect(claims(name, "widths_32-seed0")).toEqual(isTaken ? ["claim-1", "claim-2", "done"] : ["claim-1"]);
    if (!isTaken) expect(stdout).toMatch(/ since [A-Z][a-z]{2} +\d+ [\d:]+; if that is gone, remove .*jobs\/widths_32-seed0\/claim-1\n/);
    expect(stdout).toContain(isTaken ? "--job widths_32-seed0\n" : `belongs to ${owner} since `);
    expect(claims(name, "widths_48-seed1")).toEqual(["claim-1", "done"]);
  });

  test("a job that fails is left for the next time, and the others go on", async () => {
    await sweep("failing");
    const script = at("failing", "sweep.sh");
    expect(dry(script, { MOEUT: "false" }).status).toBe(1);
    expect(claims("failing", "widths_32-seed0")).toEqual(["claim-1"]);
    expect(claims("failing", "widths_48-seed1")).toEqual(["claim-1"]);
    expect(dry(script).status).toBe(0);
    expect(claims("failing", "widths_32-seed0")).toEqual(["claim-1", "claim-2", "done"]);
  });
});

test.skipIf(process.platform === "win32")("a Slurm array has a task for each job", async () => {
  const { stdout } = await sweep("slurm", "--emit", "slurm", "--sbatch=--gres=gpu:1");
  expect(stdout).toContain("sweep.slurm: 4 jobs; sbatch does them");
  const script = at("slurm", "sweep.slurm");
  expect(spawnSync("bash", ["-n", script]).status).toBe(0);
  expect(dry(script)).toMatchObject({ stdout: "", stderr: expect.stringContaining("is set by sbatch") as string });
  const task = (index: number): SpawnSyncReturns<string> => dry(script, { SLURM_ARRAY_TASK_ID: `${index}`, SLURM_JOB_ID: "7" });
  expect(task(1).stdout).toMatch(/^widths_48-seed0\nsweep --out .*slurm --job widths_48-seed0\n/);
  expect(task(1).stdout).toBe("");
  expect(task(2).stdout).toContain("--job widths_32-seed1\n");
  expect(readdirSync(at("slurm", "jobs"))).toEqual(["widths_32-seed1", "widths_48-seed0"]);
});

test("what jobs cannot do is said", async () => {
  const said = async (...args: readonly string[]): Promise<string> => (await moeutHere(args)).stderr;
  expect(await said("sweep", SPEC, "--data", "-", "--out", at("none"))).toMatch(/jobs cannot share standard input/);
  expect(await said("sweep", ...GIVEN, "--sbatch", "x", "--out", at("none"))).toMatch(/--sbatch does nothing beside --emit sh/);
  const torch = ["--torchrun", "--standalone", "--out", at("none")];
  expect(await said("sweep", ...GIVEN, ...torch)).toMatch(/train.py reads a prepared corpus/);
  expect(await said("sweep", ...GIVEN, ...torch, "--at", "10")).toMatch(/train.py measures no tasks on its way: leave --at .* out/);
  expect(await said("sweep", ...GIVEN, ...torch, "--tune", "lr=1,2")).toMatch(/train.py searches no learning rates: find them by a sweep/);
  expect(await said("sweep", ...GIVEN, "--out", ROOT)).toMatch(/is not a comparison/);
  expect(await said("compare", "--gather", at("none"))).toMatch(/has no sweep.json: `moeut sweep` wrote no jobs into it/);
  expect(await said("compare", "--gather", at("none"), "--seeds", "3")).toMatch(/--seeds does nothing beside --gather/);
  expect(await said("sweep", "--job", "a-seed0", "--out", at("none"))).toMatch(/has no sweep.json/);
  expect(await said("sweep", "--job", "a-seed0", "--seeds", "3", "--out", at("none"))).toMatch(/--seeds does nothing beside --job/);
  expect(await said("compare", SPEC, "--out", at("none"))).toMatch(/give the data to train on with --data/);
});
