/** A Python with torch, transformers and safetensors, for tests that compare with PyTorch. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { isAlive } from "../../../runtime/files/process.ts";
import { ROOT } from "../cli.ts";

const LIBRARIES = "from importlib import metadata as m, util as u; "
  + "assert u.find_spec('torch') and u.find_spec('safetensors') and int(m.version('transformers').split('.')[0]) >= 5";
const HARNESS = "from importlib import util as u; assert u.find_spec('lm_eval') and u.find_spec('sacrebleu')";

const has = (program: string, modules: string): boolean => spawnSync(program, ["-c", modules]).status === 0;

/** MOEUT_PYTHON, the one that `npm test` makes, or python3. */
export async function pythonProgram(): Promise<string> {
  await makerEnds(Number(process.env["MOEUT_PYTHON_MAKER"]));
  const made = join(ROOT, ".moeut", "python", ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"]));
  return process.env["MOEUT_PYTHON"] || (existsSync(made) ? made : "python3");
}

/** `npm test` makes the Python while other tests run, and passes the number of that process. */
async function makerEnds(maker: number): Promise<void> {
  while (maker > 0 && isAlive(maker)) await setTimeout(200);
}

/** Null, with the reason on the console, if there is none, or it lacks a library. */
export async function torchPython(): Promise<string | null> {
  const program = await pythonProgram();
  if (has(program, LIBRARIES)) return program;
  console.warn(`skipped: ${program} has no torch, transformers 5 and safetensors (\`node scripts/python.mjs\` makes one that has; `
    + "MOEUT_PYTHON may name another)");
  return null;
}

/** The same, with lm-evaluation-harness. */
export async function harnessPython(): Promise<string | null> {
  const program = await torchPython();
  if (program === null || has(program, HARNESS)) return program;
  console.warn(`skipped: ${program} has no lm_eval`);
  return null;
}

/** Ends what hangs, as the limit of tests cannot while a program is waited for. */
const BACKSTOP = 600_000; // ms

/** Nothing is fetched, nothing is left but copies of modules and data, and two processes at once have a core each. */
export const QUIET = {
  HF_HOME: join(ROOT, ".moeut", "huggingface"), HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error", OMP_NUM_THREADS: "1",
  PYTHONDONTWRITEBYTECODE: "1",
};

/** Runs a program. Throws what it says if it fails. @returns its standard output */
export function runPython(python: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(python, args, {
    encoding: "utf8", env: { ...process.env, ...QUIET }, maxBuffer: 2 ** 28, timeout: BACKSTOP,
  });
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
  return stdout;
}
