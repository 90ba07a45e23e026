/** Settings by path: `d_model`, `feed_forward.n_experts` (of every layer that has it), `layer.a.norm.at`, `train.optimizer.lr`. */
import { nearest } from "../diagnostics/index.ts";
import type { EntryAst, SequenceAst, ValueAst } from "../ir/ast.ts";
import type { Span } from "../ir/source.ts";
import { applyEntry } from "./apply.ts";
import type { Kind } from "./field.ts";
import { layerScope, MODEL_SCOPE } from "./inherit.ts";
import { LAYER, MODEL } from "./language.ts";
import type { LayerTree, ModelTree } from "./model.ts";
import { ownEntry } from "./own.ts";
import { child, type Context, kindOf, type Settings } from "./settings.ts";

/** A path with the values it is given; `stack` has a sequence instead. */
export interface PathSetting {
  readonly path: string;
  readonly span: Span;
  readonly values: readonly ValueAst[];
  readonly sequence: SequenceAst | null;
}

/** Why a path does not lead to a field of a model. */
export interface DeadEnd {
  readonly part: string;
  readonly where: string;
  readonly choices: readonly string[];
}

/** The tree with the path set in every place of it that has the path, or why there is none. */
export function setPath(tree: ModelTree, setting: PathSetting, context: Context): ModelTree | DeadEnd {
  const parts = setting.path.split(".");
  if (setting.path === "stack") return setStack(tree, setting);
  const [head, name] = parts;
  if (head === "layer") return setInLayers(tree, parts.slice(2), setting, context, (layer) => layer.name === name, name ?? "");
  if (ownEntry(MODEL.fields, head!) === undefined && ownEntry(MODEL.blocks, head!) === undefined) {
    return ownEntry(LAYER.blocks, head!) === undefined
      ? { part: head!, where: "a model", choices: [...namesOf(MODEL), ...namesOf(LAYER), "stack", "layer"] }
      : setInLayers(tree, parts, setting, context, () => true, "");
  }
  const dead = follow(tree.root, MODEL, parts, "a model");
  if (dead !== null) return dead;
  return {
    ...tree,
    root: applyEntry(tree.root, entryOf(parts, setting), MODEL_SCOPE, { ...context, written: new Map(), solvable: head !== "train" }),
  };
}

/** Only `--set` and `vary` can write a sequence. */
const setStack = (tree: ModelTree, { sequence, span }: PathSetting): ModelTree | DeadEnd =>
  sequence === null ? { part: "stack", where: "what can be varied or solved for", choices: [] } : {
    ...tree, stack: { kind: "stack", word: span, sequence, span },
  };

function setInLayers(
  tree: ModelTree, parts: readonly string[], setting: PathSetting, context: Context, chosen: (layer: LayerTree) => boolean, name: string,
): ModelTree | DeadEnd {
  const targets = tree.layers.filter(chosen);
  if (targets.length === 0) return { part: name, where: "this model", choices: tree.layers.map((l) => l.name) };
  if (parts.length === 0) return { part: "", where: `layer ${name}`, choices: namesOf(LAYER) };
  const ends = targets.map((layer) => follow(layer.settings, LAYER, parts, "a layer"));
  if (ends.every((end) => end !== null)) return ends[0]!;
  const reached = targets.filter((_, i) => ends[i] === null);
  const entry = entryOf(parts, setting);
  const layers = tree.layers.map((layer) => {
    if (!reached.includes(layer)) return layer;
    const apply = { ...context, written: new Map(), solvable: true };
    return { ...layer, settings: applyEntry(layer.settings, entry, layerScope(layer.name), apply) };
  });
  return { ...tree, layers };
}

/** Null if the path leads to a field, or to a block that has kinds. */
function follow(settings: Settings, kind: Kind, parts: readonly string[], where: string): DeadEnd | null {
  const [part, ...rest] = parts as [string, ...string[]];
  const block = ownEntry(kind.blocks, part);
  if (rest.length === 0) {
    const settable = ownEntry(kind.fields, part) !== undefined || (block !== undefined && Object.keys(block.kinds).length > 1);
    return settable ? null : { part, where, choices: namesOf(kind) };
  }
  if (block === undefined) return { part, where, choices: namesOf(kind) };
  const inner = child(settings, part);
  const word = inner.kind?.name ?? block.defaultKind;
  return follow(inner, kindOf(inner, block), rest, word === null || word === "" ? `\`${part}\`` : `\`${part} ${word}\``);
}

const namesOf = (kind: Kind): readonly string[] => [...Object.keys(kind.fields), ...Object.keys(kind.blocks)];

/** "a.b.c" = values as the statement `a { b { c values } }`. */
function entryOf(parts: readonly string[], { span, values }: PathSetting): EntryAst {
  const [part, ...rest] = parts as [string, ...string[]];
  const name = { text: part, span };
  if (rest.length === 0) return { kind: "entry", name, values, clauses: [], block: null, span };
  return {
    kind: "entry", name, values: [], clauses: [], block: { statements: [entryOf(rest, { path: "", span, values, sequence: null })], span },
    span,
  };
}

export const isDeadEnd = (result: ModelTree | DeadEnd): result is DeadEnd => "choices" in result;

export function reportDeadEnd(dead: DeadEnd, setting: Pick<PathSetting, "path" | "span">, context: Context): void {
  context.report.report("unknown-path", setting.span, {
    path: setting.path, part: dead.part, where: dead.where, nearest: nearest(dead.part, dead.choices), choices: dead.choices,
  });
}
