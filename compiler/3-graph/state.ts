/** What the model builders share while one graph is being built. Local to one call of buildGraph. */
import type { GraphBuilder } from "../graph/builder.ts";
import { emitOne } from "../graph/builder.ts";
import { gatherRows, map, random, sinusoid, view } from "../graph/dsl.ts";
import type { Rotary } from "../graph/dsl.ts";
import { constant } from "../ir/expr.ts";
import type { Distribution, InputName, ValueId } from "../ir/graph.ts";
import { ropeKey } from "../ir/model-spec.ts";
import type { BalanceSpec, ModelSpec, RopeSpec } from "../ir/model-spec.ts";
import type { Span } from "../ir/source.ts";
import { bug, channels, plain } from "../ir/tensor-type.ts";
import { fnv1a } from "../../runtime/standalone/random.ts";
import type { Entry } from "./entry.ts";

/** One router's balance objective: the routing distributions of its layer's applications, as they come. */
export interface BalanceTerm {
  readonly key: string;
  readonly kind: Exclude<BalanceSpec["kind"], "mutual_information">;
  readonly spec: BalanceSpec;
  readonly topK: number;
  /** Softmax of the router logits, [B, T, E] or [B, T, H, E], per application. */
  readonly distributions: ValueId[];
  /** 1 where an expert was chosen, per application; for `load` only. */
  readonly choices: ValueId[];
}

/** One router's mutual-information objective: what it needs of each application of its layer. */
export interface InformationTerm {
  readonly key: string;
  /** Factor of the term. */
  readonly weight: number;
  readonly applications: {
    readonly logits: ValueId;
    readonly distribution: ValueId;
    /** [B, T, 1] under halting. */
    readonly weight: ValueId | null;
  }[];
}

export interface BuildState {
  readonly b: GraphBuilder;
  readonly model: ModelSpec;
  readonly entry: Entry;
  readonly batch: number;
  /** Positions processed at once: the sequence, or one chunk of it. */
  readonly positions: number;
  readonly paramValues: Readonly<Record<string, ValueId>>;
  /** Inputs and rotary tables made so far, by name. */
  readonly sources: Record<string, ValueId>;
  /** Terms by router. */
  readonly balance: Map<string, BalanceTerm>;
  readonly information: Map<string, InformationTerm>;
  /** Further terms of the loss, [1] each. */
  readonly penalties: ValueId[];
  /** What stands in for the gradient of parameters that are not learned by descent, by name, one per application. */
  readonly updates: Record<string, ValueId[]>;
  /** Router z-losses by router, one per application, [1] each. */
  readonly zLosses: Record<string, ValueId[]>;
  readonly outputs: Record<string, ValueId>;
  /** Of which one can be removed, by router: see removal.ts. */
  readonly experts: Map<string, { readonly first: number; readonly count: number }>;
}

/** One number for every token, [B, T, 1]. */
export const perToken = (s: BuildState, name: string, value: number): ValueId =>
  map(s.b, name, constant(value), [], plain([s.batch, s.positions, 1]));

/** Names the origin of the nodes that `build` makes. */
export function within<T>(s: BuildState, path: string, span: Span, build: () => T): T {
  const outer = s.b.origin;
  s.b.origin = { path, span };
  const result = build();
  s.b.origin = outer;
  return result;
}

export const param = (s: BuildState, name: string): ValueId => s.paramValues[name] ?? bug(`no parameter "${name}"`);

/** A parameter of few axes with as many of 1 in front as make it `rank`, to be broadcast over them. */
export const vector = (s: BuildState, name: string, rank: number): ValueId => {
  const id = param(s, name);
  const { shape } = s.b.values[id]!.type;
  return view(s.b, name, id, [...Array<number>(rank - shape.length).fill(1), ...shape]);
};

const inputShape = (s: BuildState, name: InputName): readonly number[] => {
  switch (name) {
    case "tokens": return [s.batch, s.positions];
    case "targets": return s.entry.kind === "score" ? [1, s.entry.rows] : [s.batch, s.positions];
    case "rows": return [1, s.entry.kind === "score" ? s.entry.rows : bug("only scoring chooses rows")];
    case "positions": return [1, s.positions];
    case "last": return [s.batch, 1];
    case "noise": return [4];
    default: return [1];
  }
};

/** A tensor that the host writes; made on first use. */
export function source(s: BuildState, name: InputName): ValueId {
  const type = plain(inputShape(s, name), name === "loss_scale" ? "f32" : "u32");
  return (s.sources[name] ??= emitOne(s.b, name, { kind: "input", name }, [], type));
}

/** A row of sines and cosines for each position processed, [1, T, D]. */
export function positionRows(s: BuildState, base: number): ValueId {
  const { dModel } = s.model;
  const rows = s.entry.kind === "step" ? s.entry.capacity : s.positions;
  const table = (s.sources[`sinusoid ${base}`] ??= sinusoid(s.b, "positions", { first: 0, base }, rows, dModel));
  return s.entry.kind === "step" ? gatherRows(s.b, "positions", table, source(s, "positions")) : view(s.b, "positions", table, [
    1, rows, dModel,
  ]);
}

/**
 * Random numbers of one application, [B, T, …]. The graphs of all entries have the same ones: their stream follows from name and site.
 * @param name of what they are for, "a.feed_forward.router.expert_dropout"
 */
export const randomNumbers = (s: BuildState, name: string, site: number, distribution: Distribution, shape: readonly number[]): ValueId =>
  random(s.b, `${name}.random`, distribution, fnv1a(`${name} ${site}`), source(s, "noise"), source(s, "position"), channels(shape));

/** Rotary tables for all positions that the entry can reach. */
export function rotary(s: BuildState, spec: RopeSpec): Rotary {
  const { nRotate } = spec;
  const rows = s.entry.kind === "step" ? s.entry.capacity : s.positions;
  const table = (fn: "cos" | "sin"): ValueId => (s.sources[`${fn} ${ropeKey(spec)}`] ??=
    emitOne(s.b, `rope.${fn}`, { kind: "ropeTable", fn, ...spec }, [], plain([rows, nRotate / 2])));
  return { cos: table("cos"), sin: table("sin"), nRotate };
}
