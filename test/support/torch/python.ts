/** A Python with torch, transformers and safetensors, for tests that compare with PyTorch. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const LIBRARIES = "import torch, safetensors, importlib.metadata as m; assert int(m.version('transformers').split('.')[0]) >= 5";

/** MOEUT_PYTHON, or python3; null, with the reason on the console, if it lacks a library. */
export function torchPython(): string | null {
  const program = process.env["MOEUT_PYTHON"] ?? "python3";
  if (spawnSync(program, ["-c", LIBRARIES]).status === 0) return program;
  console.warn(`skipped: ${program} has no torch, transformers 5 and safetensors (MOEUT_PYTHON may name a Python that has them)`);
  return null;
}

/** Runs a program. Throws what it says if it fails. @returns its standard output */
export function runPython(python: string, args: readonly string[]): string {
  const quiet = { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error", OMP_NUM_THREADS: "1", PYTHONDONTWRITEBYTECODE: "1" };
  const { status, stdout, stderr } = spawnSync(python, args, { encoding: "utf8", env: { ...process.env, ...quiet }, maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
  return stdout;
}

/** Greatest deviations of each case in a folder, by name. */
export const checked = (python: string, folder: string): readonly Readonly<Record<string, unknown>>[] =>
  runPython(python, [join(import.meta.dirname, "check.py"), folder]).trim().split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
