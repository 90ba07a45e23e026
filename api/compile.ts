/** A model → the folder that runs it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CPU, PORTABLE } from "../compiler/5-plan/index.ts";
import { emit, runtimeFiles, type EmittedFile, type Tokens } from "../compiler/7-emit/index.ts";
import { compilerFor, entriesOf, inferenceEntries } from "../compiler/compile.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { KernelPlan, ParamPlan, Profile } from "../compiler/ir/plan.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { messageOf, UserError } from "../runtime/errors.ts";
import { PACKAGE_ROOT, VERSION } from "../runtime/package-root.ts";
import { parseTokenizer, requireRoom } from "../runtime/tokenizer/file.ts";
import { matchingWeights } from "../runtime/standalone/inference.ts";

export interface CompileOptions {
  /** Which kernels for GPUs: those of `run(…).plan.profile` suit this machine; if it is left out, they run on any adapter. */
  readonly profile?: Profile;
  /** `check(…).sources`: launches then say which line of the spec they come from. */
  readonly sources?: readonly SourceText[];
  /** Nothing that trains: no gradients, no moments, and batches of one sequence. */
  readonly inference?: boolean;
  /** `trainStep` takes targets that are IGNORED, whose positions count for nothing: for questions and answers, or texts with padding. */
  readonly masked?: boolean;
  /** The bytes of a safetensors file, as `saveWeights` gives them: the folder loads them. */
  readonly weights?: Uint8Array | undefined;
  /**
   * What tokens are: bytes, what the text of a tokenizer.json says, or null where only you know. If it is left out, they are bytes where
   * the vocabulary has 256.
   */
  readonly text?: Tokens;
}

export interface Compiled {
  /** What GPUs and the processor load, and typed code: a folder that runs without moeut. The same model gives the same bytes. */
  readonly files: readonly EmittedFile[];
  /** Buffers, kernels, and for each entry point its launches in order, as GPUs run them: what the files say, as data. */
  readonly plan: KernelPlan;
}

/** Writes nothing: the caller puts the files where they belong. UserError for weights that do not fit the model. */
export function compile(model: ModelSpec, options: CompileOptions = {}): Compiled {
  const { profile = PORTABLE, sources = [], inference = false, masked = false, weights, text = textOf(model) } = options;
  if (text !== null && text !== "bytes") requireRoom("the tokenizer", parseTokenizer("the tokenizer", text.tokenizer), [model]);
  const what = inference ? { batch: 1, entries: inferenceEntries(model) } : { batch: microBatch(model), entries: entriesOf(model), masked };
  const planFor = compilerFor(model, { ...what, seqLen: model.seqLen });
  const [plan, cpu] = [planFor(profile), planFor(CPU)];
  if (weights !== undefined) requireFit(weights, plan.params);
  const about = { model, masked, weights: weights ?? null, text, version: VERSION, sources };
  return { plan, files: emit({ ...about, plan, cpu, runtime: standaloneFiles() }) };
}

/** A vocabulary of 256 is taken for bytes. */
export const textOf = ({ vocabSize }: ModelSpec): "bytes" | null => (vocabSize === 256 ? "bytes" : null);

function requireFit(weights: Uint8Array, params: readonly ParamPlan[]): void {
  try {
    matchingWeights(weights, params);
  } catch (error) {
    throw new UserError(`these weights do not fit the model: ${messageOf(error)}`);
  }
}

/** Sequences that a step has on the device at once. */
export const microBatch = ({ train: { batch, accumulate } }: ModelSpec): number => batch / accumulate;

/** Of runtime/standalone as it is in the checkout or package, made once a process: it takes as long as planning a small model. */
export const standaloneFiles = (): Readonly<Record<string, string>> => (standalone ??= makeStandaloneFiles());

let standalone: Readonly<Record<string, string>> | null = null;

function makeStandaloneFiles(): Readonly<Record<string, string>> {
  const directory = join(PACKAGE_ROOT, "runtime", "standalone");
  if (!existsSync(directory)) throw new Error(`${directory} is missing from this installation`);
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  return runtimeFiles(Object.fromEntries(paths.map((path) => [path.replaceAll("\\", "/"), readFileSync(join(directory, path), "utf8")])));
}
