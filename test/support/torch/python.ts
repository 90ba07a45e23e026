/** A Python with torch, transformers and safetensors, for tests that compare with PyTorch. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** MOEUT_PYTHON, or python3; null, with the reason on the console, if it lacks a library. */
export function torchPython(): string | null {
  const program = process.env["MOEUT_PYTHON"] ?? "python3";
  const { status } = spawnSync(program, ["-c", "import torch, transformers, safetensors; assert int(transformers.__version__.split('.')[0]) >= 5"]);
  if (status === 0) return program;
  console.warn(`skipped: ${program} has no torch, transformers 5 and safetensors (MOEUT_PYTHON may name a Python that has them)`);
  return null;
}

/** Runs a script of this folder. Throws what it says on standard error. @returns its standard output */
export function runTorch(python: string, script: string, ...args: readonly string[]): string {
  const env = { ...process.env, HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error", TOKENIZERS_PARALLELISM: "false" };
  const { status, stdout, stderr } = spawnSync(python, [join(import.meta.dirname, script), ...args], { encoding: "utf8", env, maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
