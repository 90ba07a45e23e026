/** What is measured. */
import { join } from "node:path";
import { countMacs } from "../../compiler/counts/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { UserError } from "../../runtime/errors.ts";
import { PACKAGE_ROOT } from "../../runtime/package-root.ts";
import { chooseModel, loadSpec } from "../spec.ts";
import type { SpecOptions } from "../options.ts";

/**
 * train     one optimizer step, micro-batches included
 * forward   losses of one micro-batch of sequences
 * generate  of one text: half a context is read, then greedily filled up, token by token
 */
export const MODES = ["train", "forward", "generate"] as const;
export type Mode = (typeof MODES)[number];

export interface Workload {
  readonly name: string;
  readonly mode: Mode;
  readonly model: ModelSpec;
  /** Sequences that are processed at once. */
  readonly batch: number;
  /** What a speed in tokens per second counts: those trained on, scored or generated. */
  readonly tokens: number;
  /** Of one run, a multiply-add being two and a backward pass twice the forward one. */
  readonly flops: number;
}

interface Named {
  readonly name: string;
  /** In specs/bench. */
  readonly file: string;
  readonly mode: Mode;
}

const NAMED: readonly Named[] = [
  { name: "W1", file: "w1.moeut", mode: "train" },
  { name: "W2", file: "w2.moeut", mode: "train" },
  { name: "W3", file: "w3.moeut", mode: "forward" },
  { name: "W3", file: "w3.moeut", mode: "train" },
  { name: "W4", file: "w4.moeut", mode: "train" },
  { name: "W5", file: "w2.moeut", mode: "generate" },
  { name: "W6", file: "w2.moeut", mode: "forward" },
];

interface Options extends SpecOptions {
  /** Of specs. */
  readonly mode: Mode;
}

/** @param what names of workloads, and specs; all named workloads if empty. UserError for what is neither */
export function workloadsOf(what: readonly string[], options: Options): readonly Workload[] {
  const all = what.length === 0 ? [...new Set(NAMED.map(({ name }) => name))] : what;
  return all.flatMap((word) => {
    const named = NAMED.filter(({ name }) => name === word.toUpperCase());
    if (named.length > 0) return named.map(namedWorkload);
    if (word.endsWith(".moeut")) return [workload(null, options.mode, chooseModel(loadSpec(word, options.set), options))];
    throw new UserError(`${word} is neither a spec (FILE.moeut) nor one of ${[...new Set(NAMED.map(({ name }) => name))].join(", ")}`);
  });
}

const namedWorkload = ({ name, file, mode }: Named): Workload =>
  workload(name, mode, loadSpec(join(PACKAGE_ROOT, "specs", "bench", file), []).models[0]!);

function workload(name: string | null, mode: Mode, model: ModelSpec): Workload {
  const { batch, accumulate } = model.train;
  const macs = countMacs(model).perToken.full;
  const of = (sequences: number, tokens: number, passes: number): Workload =>
    ({ name: name ?? model.name, mode, model, batch: sequences, tokens, flops: 2 * passes * macs * sequences * model.seqLen });
  switch (mode) {
    case "train": return { ...of(batch / accumulate, batch * model.seqLen, 3), flops: 2 * 3 * macs * batch * model.seqLen };
    case "forward": return of(batch / accumulate, (batch / accumulate) * model.seqLen, 1);
    case "generate": return of(1, generatedTokens(model.seqLen), 1);
  }
}

export const promptTokens = (seqLen: number): number => Math.max(1, Math.floor(seqLen / 2));
export const generatedTokens = (seqLen: number): number => Math.max(1, seqLen - promptTokens(seqLen));
