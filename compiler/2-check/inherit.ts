/** `from`: the tree of a model is that of its parent with its own statements applied. */
import { about, nearest } from "../diagnostics/index.ts";
import type { LayerAst, ModelAst, StatementAst } from "../ir/ast.ts";
import type { Span } from "../ir/source.ts";
import { type ApplyContext, applyEntry, applyStatements, type Scope } from "./apply.ts";
import { findModel, type FoundModel, namesInScope } from "./files.ts";
import { LAYER, MODEL, STATEMENTS } from "./language.ts";
import type { LayerTree, ModelTree } from "./model.ts";
import { type Context, EMPTY, touches } from "./settings.ts";

export const MODEL_SCOPE: Scope = { kind: MODEL, where: "a model", path: "" };
export const layerScope = (name: string): Scope => ({ kind: LAYER, where: "a layer", path: `layer.${name}` });

export type Trees = (found: FoundModel) => ModelTree;

/** The tree of each model, made once, by way of its parent's. */
export function createTrees(context: Context): Trees {
  const known = new Map<ModelAst, ModelTree>();
  return (found) => {
    for (const each of lineage(found, known, context)) known.set(each.model, modelTree(each, parentTree(each, known), context));
    return known.get(found.model)!;
  };
}

/** A model and those of its ancestors that are not known yet, the oldest first. */
function lineage(found: FoundModel, known: ReadonlyMap<ModelAst, unknown>, context: Context): readonly FoundModel[] {
  const line = new Map<ModelAst, FoundModel>();
  for (let next: FoundModel | null = found; next !== null && !known.has(next.model); next = parentOf(next, context)) {
    if (line.has(next.model)) {
      const circle = [...line.keys()];
      circle.splice(0, circle.indexOf(next.model));
      context.report.report("inheritance-cycle", circle[0]!.from!.span, { names: circle.map(({ name }) => name.text) });
      break;
    }
    line.set(next.model, next);
  }
  return [...line.values()].reverse();
}

function parentOf({ model, file }: FoundModel, { report }: Context): FoundModel | null {
  if (model.from === null) return null;
  const found = findModel(model.from.text, file);
  if (found !== null) return found;
  const names = namesInScope(file).filter((name) => name !== model.name.text);
  const facts = { name: model.from.text, nearest: nearest(model.from.text, names), choices: names };
  about(model.name.text, report).report("unknown-model", model.from.span, facts);
  return null;
}

const parentTree = ({ model, file }: FoundModel, known: ReadonlyMap<ModelAst, ModelTree>): ModelTree | null =>
  (model.from === null ? undefined : known.get(findModel(model.from.text, file)?.model ?? model)) ?? null;

function modelTree({ model, file }: FoundModel, parent: ModelTree | null, shared: Context): ModelTree {
  const context = { ...shared, report: about(model.name.text, shared.report) };
  const before = context.report.errors;
  const empty: ModelTree = {
    name: "", span: model.span, nameSpan: model.name.span, file: "", root: EMPTY, layers: [], stack: null, match: null,
    matchOptional: true, expects: [], broken: model.from !== null, faulty: false,
  };
  const base = parent ?? empty;
  const written = new Map<string, Span>();
  const apply: ApplyContext = { ...context, written: new Map(), solvable: false };
  // The recipe of a file holds for all its models, over what they inherit from other files.
  const root = parent?.file === file.ast.file ? base.root
    : file.train.reduce((sofar, entry) => applyEntry(sofar, entry, MODEL_SCOPE, apply), base.root);
  const started: ModelTree = {
    ...base, root, name: model.name.text, span: model.span, nameSpan: model.name.span, file: file.ast.file,
    expects: [], matchOptional: true,
    layers: base.layers.map((layer) => ({ ...layer, declared: false })),
    broken: base.broken || context.damage.some((d) => touches(d, model.span)),
  };
  const tree = applyModel(started, model.body.statements, { ...context, written, solvable: true });
  return { ...tree, faulty: tree.faulty || tree.broken || context.report.errors > before };
}

function applyModel(tree: ModelTree, statements: readonly StatementAst[], context: ApplyContext): ModelTree {
  // All layers exist before any is set, so that `layer *` means all of them wherever it stands.
  const declared = statements.reduce((sofar, s) => (s.kind === "layer" ? declare(sofar, s) : sofar), tree);
  return statements.reduce((sofar, statement) => applyToModel(sofar, statement, context), declared);
}

function declare(tree: ModelTree, statement: LayerAst): ModelTree {
  const missing = (statement.names ?? []).filter((name, i, all) =>
    !tree.layers.some((l) => l.name === name.text) && all.findIndex((n) => n.text === name.text) === i);
  const layers = missing.map((name): LayerTree => ({ name: name.text, span: name.span, settings: EMPTY, declared: true }));
  return { ...tree, layers: [...tree.layers, ...layers] };
}

function applyToModel(tree: ModelTree, statement: StatementAst, context: ApplyContext): ModelTree {
  const { report, written } = context;
  const once = (path: string, span: Span): boolean => {
    const before = written.get(path);
    if (before === undefined) written.set(path, span);
    else report.report("duplicate-field", span, { name: path }, [{ span: before, note: "first set here" }]);
    return before === undefined;
  };
  switch (statement.kind) {
    case "entry": return { ...tree, root: applyEntry(tree.root, statement, MODEL_SCOPE, context) };
    case "layer": return applyLayer(tree, statement, context);
    case "stack": return once("stack", statement.word) ? { ...tree, stack: statement } : tree;
    case "match": return once("match", statement.word) ? { ...tree, match: statement, matchOptional: false } : tree;
    case "expect": return { ...tree, expects: [...tree.expects, statement] };
    case "fn":
    case "vary":
      report.report("misplaced-statement", statement.word, {
        statement: statement.kind, where: "a model", home: STATEMENTS[statement.kind],
      });
      return tree;
  }
}

function applyLayer(tree: ModelTree, statement: LayerAst, context: ApplyContext): ModelTree {
  const names = statement.names?.map((name) => name.text);
  if (names === undefined && tree.layers.length === 0 && !tree.broken) {
    context.report.report("no-layers", statement.word, { name: tree.name });
    return { ...tree, broken: true };
  }
  const twice = statement.names?.find((name, i, all) => all.findIndex((n) => n.text === name.text) !== i);
  if (twice !== undefined) context.report.report("repeated-value", twice.span, { name: "layer", value: twice.text });
  const layers = tree.layers.map((layer): LayerTree =>
    names === undefined || names.includes(layer.name)
      ? { ...layer, settings: applyStatements(layer.settings, statement.body.statements, layerScope(layer.name), context) }
      : layer);
  return { ...tree, layers };
}
