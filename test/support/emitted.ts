/** A small model, trained for a few steps on the processor and emitted with its weights, for tests that run the folder. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { moeutHere, ROOT } from "./cli.ts";

export const PROMPT = "a läyer ";
export const OPTIONS = { maxTokens: 40, temperature: 0.8, seed: 5 } as const;

export interface EmittedRun {
  readonly run: string;
  /** `compile RUN --inference`. */
  readonly folder: string;
}

export function node(args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** Standard output of a command, within this process. Throws what it says if it fails. */
export async function commanded(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await moeutHere(args);
  if (status !== 0) throw new Error(`moeut ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** @param tokens of a byte-level BPE that is trained on the text, or bytes */
export async function emitTrained(work: string, tokens: number | "bytes" = "bytes"): Promise<EmittedRun> {
  const text = join(work, "text.txt");
  writeFileSync(text, "a läyer is a pool of weights – a site is where it is used – and the stack is the order.\n".repeat(60));
  const tokenizer = join(work, "tokenizer.json");
  if (tokens !== "bytes") await commanded("tokenizer", "train", text, "--vocab-size", `${tokens}`, "--out", tokenizer);
  const choice = tokens === "bytes" ? [] : ["--tokenizer", tokenizer, "--set", `vocab_size=${tokens}`];
  const [run, folder] = [join(work, "run"), join(work, "tiny")];
  await commanded("train", join(ROOT, "specs", "tiny.moeut"), "--data", text, "--steps", "4", "--adapter", "cpu", "--out", run, ...choice);
  await commanded("compile", run, "--inference", "--out", folder);
  return { run, folder };
}

/** What the command line continues PROMPT with. */
export async function textOfCommand(run: string, adapter: string): Promise<string> {
  const { maxTokens, temperature, seed } = OPTIONS;
  const sampling = ["--max-tokens", `${maxTokens}`, "--temperature", `${temperature}`, "--seed", `${seed}`];
  const printed = await commanded("generate", run, "--prompt", PROMPT, ...sampling, "--adapter", adapter, "--json");
  return (JSON.parse(printed) as { readonly text: string }).text;
}
