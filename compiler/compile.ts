/** From a checked model to everything a device needs. The text → model half is in front.ts. */
import { buildGraph, type Entry } from "./3-graph/index.ts";
import { addGradients } from "./4-grad/index.ts";
import { createPlanner, PORTABLE, type EntryRequest } from "./5-plan/index.ts";
import { writeKernels } from "./6-codegen/index.ts";
import { verifyPlan } from "./5-plan/verify.ts";
import { validateGraph } from "./graph/validate.ts";
import type { OpGraph, ValueId } from "./ir/graph.ts";
import type { LaunchPlan } from "./ir/launch.ts";
import type { ModelSpec } from "./ir/model-spec.ts";
import type { KernelPlan, Profile } from "./ir/plan.ts";
import { bug } from "./ir/tensor-type.ts";

export type EntryName = "train" | "update" | "evaluate" | "score" | "logits" | "prefill" | "decode";

export interface CompileOptions {
  /** Sequences processed at once: a micro-batch of training, a batch of evaluation. */
  readonly batch: number;
  readonly seqLen: number; // T
  readonly entries: readonly EntryName[];
  /** Rows of "train" that are shorter than seqLen: each has an entry of its own, "train.101". */
  readonly lengths?: readonly number[];
  /** Training counts only positions whose target is a token: see IGNORED. */
  readonly masked?: boolean;
  /** "train" counts how often each expert is chosen, in tensors "routing/ffn.0", "routing/att_v.0" and so on. */
  readonly countsRouting?: boolean;
  /** "evaluate" has the losses that the head reads behind every application, to be kept, and an input that removes an expert. */
  readonly lens?: boolean;
  /** Positions that one prefill run consumes; at most seqLen. */
  readonly chunk?: number;
  /** Positions that one run of "score" scores; at most batch · seqLen. */
  readonly rows?: number;
  /** Texts that prefill and decode continue at once, of equal length so far. Default 1. */
  readonly texts?: number;
  /** Further graph outputs to keep readable, per entry: "layers.0", "logits", "sel.ffn.1", … */
  readonly keep?: Partial<Readonly<Record<EntryName, readonly string[]>>>;
  readonly profile?: Profile;
  /** No fusion: for tests. */
  readonly unfused?: boolean;
}

/** What every user of an entry wants to read, where the model has it. */
const OUTPUTS: Readonly<Record<EntryName, readonly string[]>> = {
  train: [], update: [], evaluate: ["token_loss", "passes"], score: ["token_loss"],
  logits: ["logits"], prefill: ["logits"], decode: ["logits"],
};
const PREFILL_CHUNK = 32;

/** A model for any number of profiles, as far as possible at the cost of one. */
export function compilerFor(model: ModelSpec, options: Omit<CompileOptions, "profile">): (profile: Profile) => KernelPlan {
  const planner = plannerFor(model, options);
  return (profile) => {
    const plan = writeKernels(planner(profile));
    return verified(plan, verifyPlan(plan));
  };
}

export const compileModel = (model: ModelSpec, { profile = PORTABLE, ...options }: CompileOptions): KernelPlan =>
  compilerFor(model, options)(profile);

/** All that is decided about a model's launches, before any kernel is written. */
export const planModel = (model: ModelSpec, { profile = PORTABLE, ...options }: CompileOptions): LaunchPlan =>
  plannerFor(model, options)(profile);

function plannerFor(model: ModelSpec, options: Omit<CompileOptions, "profile">): (profile: Profile) => LaunchPlan {
  const { entries, lengths = [], unfused = false } = options;
  const requestOf = (name: Exclude<EntryName, "update">, graph: OpGraph): EntryRequest => {
    const outputs = [...OUTPUTS[name].filter((output) => output in graph.outputs), ...(options.keep?.[name] ?? [])];
    return { graph, outputs, counted: name === "train" && options.countsRouting === true ? choicesOf(graph) : {} };
  };
  const shorter = (seqLen: number): OpGraph => ({ ...graphOf(model, "train", { ...options, seqLen }), name: `train.${seqLen}` });
  const requests = entries.filter((name) => name !== "update").flatMap((name) =>
    [graphOf(model, name, options), ...(name === "train" ? lengths.map(shorter) : [])].map((graph) => requestOf(name, graph)));
  return createPlanner(model.name, requests, { update: entries.includes("update"), unfused });
}

/** The choices of all routers, by the tensors that count them. */
const choicesOf = ({ outputs }: OpGraph): Readonly<Record<string, ValueId>> => Object.fromEntries(Object.entries(outputs)
  .filter(([name]) => name.startsWith("choice.")).map(([name, value]) => [name.replace("choice.", "routing/"), value]));

/** A phase that hands on something malformed is found where it happens, not where it hurts. */
function verified<T>(value: T, problems: readonly string[]): T {
  if (problems.length > 0) bug(problems.slice(0, 5).join("; "));
  return value;
}

/** Only causal models have the entries "prefill" and "decode". */
export const isCausal = (model: ModelSpec): boolean => model.layers.every(({ attention }) => attention.causal);

/** All that a model can do once it is trained. */
export const inferenceEntries = (model: ModelSpec): readonly EntryName[] =>
  ["evaluate", "logits", ...(isCausal(model) ? (["prefill", "decode"] as const) : [])];

/** All of its entries: what an emitted folder has, and a model that runs. */
export const entriesOf = (model: ModelSpec): readonly EntryName[] => ["train", "update", ...inferenceEntries(model)];

type GraphOptions = Pick<CompileOptions, "batch" | "seqLen" | "masked" | "lens" | "chunk" | "rows" | "texts">;

/** The graph of one entry; "train" comes with its backward pass unless that is not wanted. */
export function graphOf(
  model: ModelSpec, name: Exclude<EntryName, "update">, options: GraphOptions, backward = true,
): OpGraph {
  const graph = { ...buildGraph(model, entryOf(name, options)), name }; // a chunk of one position is still a prefill
  verified(graph, validateGraph(graph));
  if (name !== "train" || !backward) return graph;
  const both = addGradients(graph, "loss");
  return verified(both, validateGraph(both));
}

function entryOf(name: Exclude<EntryName, "update">, options: GraphOptions): Entry {
  const { batch, seqLen, masked = false, lens = false, chunk, rows = batch * seqLen, texts = 1 } = options;
  switch (name) {
    case "train": return { kind: name, batch, seqLen, masked };
    case "evaluate": return { kind: name, batch, seqLen, lens };
    case "score": return { kind: name, batch, seqLen, rows };
    case "logits": return { kind: "evaluate", batch: 1, seqLen };
    case "prefill": return { kind: "step", chunk: Math.min(chunk ?? PREFILL_CHUNK, seqLen), capacity: seqLen, batch: texts };
    case "decode": return { kind: "step", chunk: 1, capacity: seqLen, batch: texts };
  }
}
