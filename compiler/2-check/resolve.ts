/** Models by name → ModelSpec: `match` needs the count of another model, so each is resolved when first asked for. */
import { measure } from "../counts/index.ts";
import type { MatchAst, ModelAst } from "../ir/ast.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import { about, nearest } from "../diagnostics/index.ts";
import { checkClaims, measureOf } from "./claims.ts";
import { findModel, type FoundModel, type LoadedFile, namesInScope } from "./files.ts";
import type { Trees } from "./inherit.ts";
import { lint } from "./lint.ts";
import { buildModel, type ModelTree } from "./model.ts";
import { isDeadEnd, type PathSetting, reportDeadEnd, setPath } from "./path.ts";
import type { Context } from "./settings.ts";
import { solve, type Unknown, unknowns } from "./solve.ts";

export interface Resolver {
  /** The tree with `from` and `--set` applied. */
  tree(found: FoundModel): ModelTree;
  /** Null if the model has errors; then they have been reported. */
  model(found: FoundModel): ModelSpec | null;
  /** The model of a tree whose `match` is looked up in `file`. */
  build(tree: ModelTree, file: LoadedFile): ModelSpec | null;
}

interface State {
  readonly context: Context;
  readonly inherited: Trees;
  /** Applies `--set` to a tree. */
  readonly override: (tree: ModelTree) => ModelTree;
  /** With `--set`, `expect` lines are not checked: they are claims about the file as it is written. */
  readonly overridden: boolean;
  readonly trees: Map<ModelAst, ModelTree>;
  readonly models: Map<ModelAst, ModelSpec | null>;
}

export function createResolver(context: Context, inherited: Trees, override: State["override"], overridden: boolean): Resolver {
  const state: State = { context, inherited, override, overridden, trees: new Map(), models: new Map() };
  return {
    tree: (found) => treeOf(state, found),
    model: (found) => modelOf(state, found),
    build: (tree, file) => build(state, tree, file),
  };
}

function treeOf(state: State, found: FoundModel): ModelTree {
  const known = state.trees.get(found.model);
  if (known !== undefined) return known;
  const { report } = state.context;
  const inherited = state.inherited(found);
  const before = report.errors;
  const overridden = state.override(inherited);
  const tree = { ...overridden, faulty: overridden.faulty || report.errors > before };
  state.trees.set(found.model, tree);
  return tree;
}

function modelOf(state: State, found: FoundModel): ModelSpec | null {
  for (const each of unresolved(state, found)) {
    const tree = treeOf(state, each);
    if (!state.models.has(each.model)) state.models.set(each.model, build(state, tree, each.file));
    if (!state.overridden) checkClaims(state.models.get(each.model)!, tree.expects, about(tree.name, state.context.report));
  }
  return state.models.get(found.model)!;
}

/** A model, what it is matched to, and so on: those that have not been resolved yet, the last first. One that closes a circle is broken. */
function unresolved(state: State, found: FoundModel): readonly FoundModel[] {
  const line: FoundModel[] = [];
  const seen = new Set<ModelAst>();
  for (let next: FoundModel | null = found; next !== null && !state.models.has(next.model); next = matchedBy(state, next)) {
    if (seen.has(next.model)) {
      const { model } = next;
      const circle = line.slice(line.findIndex((each) => each.model === model)).map((each) => each.model);
      state.context.report.report(
        "match-cycle", treeOf(state, line.at(-1)!).match!.model!.span, { names: circle.map(({ name }) => name.text) },
      );
      state.models.set(circle.at(-1)!, null);
      break;
    }
    seen.add(next.model);
    line.push(next);
  }
  return line.reverse();
}

function matchedBy(state: State, found: FoundModel): FoundModel | null {
  const match = freeBy(treeOf(state, found), state.context)?.match ?? null;
  return match?.model ? findModel(match.model.text, found.file) : null;
}

function build(state: State, original: ModelTree, file: LoadedFile): ModelSpec | null {
  const context = { ...state.context, report: about(original.name, state.context.report) };
  const free = freeBy(original, context);
  if (free === null) return null;
  const spec = free.match === null ? withoutMatch(free.tree, context) : matched(state, free.tree, free.match, file, context);
  if (spec === null || original.faulty) return null;
  lint(spec, free.tree, context);
  return spec;
}

function matched(state: State, tree: ModelTree, match: MatchAst, file: LoadedFile, context: Context): ModelSpec | null {
  const { report } = context;
  const unknown = theUnknown(tree, context);
  const what = measureOf(match.measure, report);
  const target = targetOf(state, match, tree, file);
  if (unknown === null || unknown === undefined || what === null || target === null) return null;
  return solve(tree, unknown, what, measure(target, what), report);
}

/** The model to be matched. */
function targetOf(state: State, match: MatchAst, { name }: ModelTree, file: LoadedFile): ModelSpec | null {
  const { report } = state.context;
  if (match.model === null) {
    report.report("match-target", match.span, { problem: "`match` does not say which model is to be matched" });
    return null;
  }
  const found = findModel(match.model.text, file);
  if (found === null) {
    const names = namesInScope(file).filter((other) => other !== name);
    report.report("unknown-model", match.model.span, { name: match.model.text, nearest: nearest(match.model.text, names), choices: names });
    return null;
  }
  return modelOf(state, found);
}

/** `match … by FIELD` makes the field free; a match with nothing to solve is dropped where it need not have any. */
function freeBy(tree: ModelTree, context: Context): { readonly tree: ModelTree; readonly match: MatchAst | null } | null {
  const { match } = tree;
  if (match === null) return { tree, match };
  if (match.by !== null) {
    const freed = setFree(tree, match.by.text, match.by.span, context);
    return freed === null ? null : { tree: freed, match };
  }
  if (unknowns(tree).length > 0) return { tree, match };
  if (tree.matchOptional) return { tree, match: null };
  if (!tree.broken) context.report.report("match-without-solve", match.word, { model: tree.name });
  return null;
}

/** Writes `solve` as the value of a field. Null (reported) if there is no such field. */
export function setFree(tree: ModelTree, path: string, span: PathSetting["span"], context: Context): ModelTree | null {
  const setting: PathSetting = { path, span, values: [{ kind: "word", text: "solve", span }], sequence: null };
  const freed = setPath(tree, setting, context);
  if (!isDeadEnd(freed)) return freed;
  if (!tree.broken) reportDeadEnd(freed, setting, context);
  return null;
}

function withoutMatch(tree: ModelTree, context: Context): ModelSpec | null {
  const unknown = theUnknown(tree, context);
  if (unknown === undefined) return buildModel(tree, { report: context.report, solve: 1 });
  if (unknown !== null) context.report.report("solve-without-match", unknown.span, { name: unknown.path });
  return null;
}

/** The one field to solve for; undefined if there is none, null (reported) if there are several. */
export function theUnknown(tree: ModelTree, { report }: Context): Unknown | null | undefined {
  const [first, second] = unknowns(tree);
  if (second === undefined) return first;
  report.report("several-solve", second.span, { first: first!.path, second: second.path }, [{ span: first!.span, note: "the first one" }]);
  return null;
}
