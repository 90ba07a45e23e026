/** A model → the folder that runs it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PORTABLE } from "../compiler/5-plan/index.ts";
import { emit, type EmittedFile } from "../compiler/7-emit/index.ts";
import { compileModel, isCausal, type EntryName } from "../compiler/compile.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan, Profile } from "../compiler/ir/plan.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { PACKAGE_ROOT, VERSION } from "../runtime/package-root.ts";

export interface CompileOptions {
  /** Which kernels: those of `run(…).plan.profile` suit this machine; if it is left out, they run on any adapter. */
  readonly profile?: Profile;
  /** `check(…).sources`: launches then say which line of the spec they come from. */
  readonly sources?: readonly SourceText[];
}

export interface Compiled {
  /** WGSL, typed TypeScript and what they need: a folder that runs without moeut. The same model gives the same bytes. */
  readonly files: readonly EmittedFile[];
  /** Buffers, kernels, and for each entry point its launches in order: what the files say, as data. */
  readonly plan: KernelPlan;
}

/** Writes nothing: the caller puts the files where they belong. */
export function compile(model: ModelSpec, { profile = PORTABLE, sources = [] }: CompileOptions = {}): Compiled {
  const plan = compileModel(model, { batch: microBatch(model), seqLen: model.seqLen, entries: entriesOf(model), profile });
  return { plan, files: emit({ model, plan, version: VERSION, runtime: runtimeSources(), sources }) };
}

/** Sequences that a step has on the device at once. */
export const microBatch = ({ train: { batch, accumulate } }: ModelSpec): number => batch / accumulate;

/** All entry points that the model can have. */
export const entriesOf = (model: ModelSpec): readonly EntryName[] =>
  ["train", "update", "evaluate", ...(isCausal(model) ? (["prefill", "decode"] as const) : [])];

/** The files of runtime/standalone as they are in the checkout or package, by their path in it. */
export function runtimeSources(): Readonly<Record<string, string>> {
  const directory = join(PACKAGE_ROOT, "runtime", "standalone");
  if (!existsSync(directory)) throw new Error(`${directory} is missing from this installation`);
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  return Object.fromEntries(paths.map((path) => [path.replaceAll("\\", "/"), readFileSync(join(directory, path), "utf8")]));
}
