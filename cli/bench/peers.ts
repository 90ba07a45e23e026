/** Other implementations of the workloads, in bench/peers: who they are, how they are started, what is wanted of them. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Contestant } from "../../runtime/bench/index.ts";
import { EnvironmentError } from "../../runtime/errors.ts";
import { writeSafetensors } from "../../runtime/files/safetensors.ts";
import { IS_CHECKOUT, PACKAGE_ROOT } from "../../runtime/package-root.ts";
import { say } from "../terminal.ts";
import { initialWeight, type Ours } from "./ours.ts";
import { generatedTokens, type Workload } from "./workloads.ts";

const FOLDER = join(PACKAGE_ROOT, "bench", "peers");

export interface Peer {
  readonly name: string;
  /** See Rival in contest.ts. */
  readonly goals: Readonly<Record<string, number>>;
  /** The command that answers for it. EnvironmentError if this machine lacks what it needs. */
  command(): readonly [string, ...string[]];
}

export const PEERS: readonly Peer[] = [
  { name: "pytorch", goals: { W1: 0.7, W2: 1, W4: 2, W5: 1 / 1.5 }, command: () => [python(), join(FOLDER, "pytorch", "peer.py")] },
  { name: "jax-js", goals: { W1: 1 / 4, W2: 1 / 5, W4: 1 / 2 }, command: () => nodePeer("jax-js.mjs", "wasm") },
  { name: "jax-js-webgpu", goals: {}, command: () => nodePeer("jax-js.mjs", "webgpu") },
  { name: "tfjs", goals: {}, command: () => nodePeer("tfjs.mjs") },
];

function python(): string {
  const name = process.env["MOEUT_PYTHON"] ?? "python3";
  const { status, error } = spawnSync(name, ["-c", "import torch"], { stdio: "ignore" });
  if (error !== undefined) throw new EnvironmentError(`there is no ${name}`);
  if (status !== 0) throw new EnvironmentError(`${name} has no torch; MOEUT_PYTHON may name a Python that has it`);
  return name;
}

/** Installs the locked packages of all peers when the first of them is asked for. */
function nodePeer(file: string, ...args: readonly string[]): readonly [string, ...string[]] {
  if (!IS_CHECKOUT) throw new EnvironmentError("its code is not part of the package; run this in a checkout of the repository");
  if (!existsSync(join(FOLDER, "node_modules"))) install();
  return [process.execPath, join(FOLDER, file), ...args];
}

function install(): void {
  say("installing the packages of bench/peers …");
  const options = { cwd: FOLDER, encoding: "utf8", shell: process.platform === "win32" } as const; // npm is a script there
  const { status, stderr } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], options);
  if (status !== 0) throw new EnvironmentError(`npm ci failed in bench/peers: ${stderr?.trim().split("\n")[0]}`);
}

/**
 * Writes what a peer has to know (bench/peers/README.md says what that is), weights and tokens among it.
 * @returns the path to hand over
 */
export function writeJob(folder: string, { mode, model }: Workload, { session, data }: Ours): string {
  const [path, tensors] = [join(folder, "job.json"), join(folder, "tensors.safetensors")];
  const { length } = data.tokens;
  const shape = mode === "generate" ? [1, length] : [length / model.seqLen, model.seqLen];
  writeSafetensors(tensors, [
    ...session.params.map((p) => ({ name: p.name, dtype: "F32" as const, shape: p.shape, data: initialWeight(p) })),
    { name: "tokens", dtype: "U32", shape, data: data.tokens },
    { name: "targets", dtype: "U32", shape, data: data.targets },
  ]);
  const means = { threads: availableParallelism(), adapter: session.adapter.name, gpu: session.adapter.kind === "gpu" };
  const job = { mode, model, recipe: model.train, tensors, count: generatedTokens(model.seqLen), ...means };
  writeFileSync(path, JSON.stringify(job, (key, value: unknown) => (key === "span" ? undefined : value)));
  return path;
}

type Answer = { readonly version: string; readonly check: number } | { readonly cannot: string } | { readonly seconds: number };

/** Seconds that a peer's first run may take, with all that comes before it. */
const PATIENCE = 300;

/**
 * Starts a peer, which runs the workload once.
 * @param job path of the file that says what to do
 * EnvironmentError with its reason if it cannot, or not within `patience` seconds.
 */
export async function openPeer(peer: Peer, job: string, patience = PATIENCE): Promise<Contestant> {
  const [command, ...args] = peer.command();
  // OPENBLAS_*: set on some machines for the sake of old releases; they slow newer ones down.
  const { OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE, ...env } = process.env;
  const child = spawn(command, [...args, job], { env, stdio: ["pipe", "pipe", "pipe"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-2000)));
  child.stdin.on("error", () => {}); // of one that ended, the missing answer tells
  const lateness = setTimeout(() => child.kill("SIGKILL"), 1000 * patience);
  const answer = async (): Promise<Answer> => {
    const { value, done } = await lines.next();
    if (child.killed) throw new EnvironmentError(`its first run was not over after ${patience} s`);
    if (done === true) throw new EnvironmentError(`it ended without an answer: ${reasonIn(errors)}`);
    return parseAnswer(value);
  };
  const first = await answer().finally(() => clearTimeout(lateness));
  if ("cannot" in first) throw new EnvironmentError(first.cannot);
  if (!("check" in first)) throw new EnvironmentError("it answered out of turn");
  return {
    name: first.version, check: first.check, close: () => void child.stdin.end(),
    run: async () => {
      child.stdin.write("run\n");
      const next = await answer();
      if (!("seconds" in next)) throw new EnvironmentError("it answered out of turn");
      return next.seconds;
    },
  };
}

function parseAnswer(line: string): Answer {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    throw new EnvironmentError(`it answered out of turn: ${line.slice(0, 80)}`);
  }
}

/** Of what a process said before it ended: the line that names an error, else the last. */
function reasonIn(errors: string): string {
  const lines = errors.trim().split("\n");
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1)!).trim();
}
