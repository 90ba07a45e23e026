/** `compare` blocks → CompareSpec: every point of the grid becomes a model. */
import { parseSequence } from "../1-parse/index.ts";
import { measure } from "../counts/index.ts";
import { about, nearest } from "../diagnostics/index.ts";
import type { CompareAst, EntryAst, MatchAst, SequenceAst, ValueAst, VaryAst } from "../ir/ast.ts";
import type { BudgetSpec, CompareSpec } from "../ir/compare-spec.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import type { Span } from "../ir/source.ts";
import { applyEntry } from "./apply.ts";
import { measureOf } from "./claims.ts";
import { findModel, type FoundModel, type LoadedFile, namesInScope } from "./files.ts";
import { BUDGET, COMPARE, STATEMENTS, TUNE_LR } from "./language.ts";
import type { ModelTree } from "./model.ts";
import { isDeadEnd, reportDeadEnd, setPath } from "./path.ts";
import { type Resolver, setFree, theUnknown } from "./resolve.ts";
import { ownEntry } from "./own.ts";
import { child, type Context, EMPTY, read, type Settings, touches } from "./settings.ts";
import { solve } from "./solve.ts";

const MAX_VARIANTS = 256;
const MAX_VARIANTS_OF_FILE = 4_096;

interface Parts {
  readonly entries: readonly EntryAst[];
  readonly vary: readonly VaryAst[];
  readonly match: MatchAst | null;
}

/** Those without errors. */
export function checkCompares(asts: readonly CompareAst[], file: LoadedFile, resolver: Resolver, context: Context): readonly CompareSpec[] {
  let count = 0;
  return asts.flatMap((ast) => {
    if (count > MAX_VARIANTS_OF_FILE) return [];
    const compare = checkCompare(ast, file, resolver, { ...context, report: about(ast.name.text, context.report) });
    count += compare?.variants.length ?? 0;
    if (count > MAX_VARIANTS_OF_FILE) {
      context.report.report("too-many-variants", ast.name.span, {
        of: "the grids of this file up to here have", count, limit: MAX_VARIANTS_OF_FILE,
      });
    }
    return compare ?? [];
  });
}

function checkCompare(ast: CompareAst, file: LoadedFile, resolver: Resolver, context: Context): CompareSpec | null {
  const { report } = context;
  const parts = split(ast, context);
  const scope = { kind: COMPARE, where: "a compare", path: "" };
  const apply = { ...context, written: new Map(), solvable: false };
  const settings = parts.entries.reduce((sofar, entry) => applyEntry(sofar, entry, scope, apply), EMPTY);
  const fields = read(settings, COMPARE, { report, solve: 0 });
  const damaged = context.damage.some((d) => touches(d, ast.span));
  if (parts.vary.length === 0 && !damaged) {
    const example = "vary feed_forward.expert_size in 64, 128";
    report.report("incomplete-compare", ast.name.span, { name: ast.name.text, missing: "vary", example });
  }
  const match = matchOf(parts.match, context);
  const [tune, budget] = [tuneOf(ast, settings, context), budgetOf(settings, context)];
  const points = grid(ast, parts.vary, context);
  const found = fields === null || (damaged && fields.base === null) ? null
    : findBase(ast, fields.base, ownEntry(settings.fields, "base")?.span ?? ast.name.span, file, context);
  if (fields === null || found === null) return null;
  const base = resolver.model(found);
  if (base === null || points === null || parts.vary.length === 0) return null;
  if (match === "broken" || tune === "broken" || budget === "broken") return null;
  const tree = resolver.tree(found);
  const names = namesOf(ast.name.text, points);
  const variants = points.map((point, i) => {
    const model = variant(names[i]!, tree, point, match, base, { resolver, file, context });
    return model === null ? null : { settings: Object.fromEntries(point.map((p) => [p.vary.path.text, written(p.value)])), model };
  });
  if (!variants.every((v) => v !== null)) return null;
  return {
    name: ast.name.text, span: ast.span, base: found.model.name.text, seeds: fields.seeds, margin: fields.margin, variants,
    tasks: { names: fields.eval, at: fields.at }, tune, budget,
    vary: parts.vary.map((v) => ({ path: v.path.text, values: v.values.map(written) })),
    match: match === null ? null : { measure: match.what, by: match.by.text },
  };
}

function tuneOf(ast: CompareAst, settings: Settings, { report }: Context): CompareSpec["tune"] | "broken" {
  const tune = child(settings, "tune");
  if (tune.kind?.name !== "lr") return tune.broken ? "broken" : null;
  const fields = read(tune, TUNE_LR, { report, solve: 0 });
  if (fields === null) return "broken";
  if (fields.in.length > 0) return { lr: fields.in, seeds: fields.seeds, steps: fields.steps };
  const missing = { name: ast.name.text, missing: "tune lr in …", example: "tune lr in 1e-3, 2e-3, 4e-3" };
  report.report("incomplete-compare", tune.kind.span, missing);
  return "broken";
}

const SPENDABLE = ["steps", "tokens", "macs", "seconds"] as const;

function budgetOf(settings: Settings, { report }: Context): CompareSpec["budget"] | "broken" {
  const budget = child(settings, "budget");
  if (budget.span === null && !budget.broken) return null;
  const fields = read(budget, BUDGET, { report, solve: 0 });
  if (fields === null) return "broken";
  const [first, second] = SPENDABLE.filter((name) => fields[name] !== null);
  if (second === undefined) return fields as BudgetSpec;
  report.report("rival-fields", ownEntry(budget.fields, second)!.nameSpan, { name: second, rival: first! }, [
    { span: ownEntry(budget.fields, first!)!.nameSpan, note: "the other one" },
  ]);
  return "broken";
}

function findBase(ast: CompareAst, name: string | null, span: Span, file: LoadedFile, { report }: Context): FoundModel | null {
  if (name === null) {
    report.report("incomplete-compare", ast.name.span, { name: ast.name.text, missing: "base", example: "base MODEL" });
    return null;
  }
  const found = findModel(name, file);
  const names = namesInScope(file);
  if (found === null) report.report("unknown-model", span, { name, nearest: nearest(name, names), choices: names });
  return found;
}

function split(ast: CompareAst, { report }: Context): Parts {
  const { statements } = ast.body;
  const matches = statements.filter((s) => s.kind === "match");
  if (matches.length > 1) report.report(
    "duplicate-field", matches[1]!.word, { name: "match" }, [{ span: matches[0]!.word, note: "first set here" }],
  );
  for (const s of statements) {
    if (s.kind === "layer" || s.kind === "stack" || s.kind === "expect" || s.kind === "fn") {
      report.report("misplaced-statement", s.word, { statement: s.kind, where: "a compare", home: STATEMENTS[s.kind] });
    }
  }
  return {
    entries: statements.filter((s) => s.kind === "entry"), vary: statements.filter((s) => s.kind === "vary"), match: matches[0] ?? null,
  };
}

type Match = { readonly what: NonNullable<ReturnType<typeof measureOf>>; readonly by: NonNullable<MatchAst["by"]> };

function matchOf(ast: MatchAst | null, { report }: Context): Match | null | "broken" {
  if (ast === null) return null;
  const what = measureOf(ast.measure, report);
  if (ast.by === null) report.report("match-target", ast.span, { problem: "`match` does not say which field may change" });
  if (ast.model !== null) report.report(
    "match-target", ast.model.span, { problem: "in a compare the variants are matched to `base`, not to another model" },
  );
  return what === null || ast.by === null || ast.model !== null ? "broken" : { what, by: ast.by };
}

interface Coordinate {
  readonly vary: VaryAst;
  readonly value: ValueAst;
}

function grid(ast: CompareAst, vary: readonly VaryAst[], { report }: Context): readonly (readonly Coordinate[])[] | null {
  const count = vary.reduce((product, v) => product * v.values.length, 1);
  if (count > MAX_VARIANTS) {
    report.report("too-many-variants", ast.name.span, { of: "this grid has", count, limit: MAX_VARIANTS });
    return null;
  }
  return vary.reduce<Coordinate[][]>(
    (points, v) => points.flatMap((point) => v.values.map((value) => [...point, { vary: v, value }])), [[]],
  );
}

/** Without quotes. */
const written = (value: ValueAst): string => (value.kind === "string" ? value.value : value.text);

/** "size_128_4"; a number behind what would be the same name twice. */
function namesOf(compare: string, points: readonly (readonly Coordinate[])[]): readonly string[] {
  const words = (value: ValueAst): string =>
    (value.kind === "string" ? value.value.replace(/\W+/g, "_").replace(/^_|_$/g, "") : value.text.replace(/\W+/g, "_"));
  const names = points.map((point) => [compare, ...point.map((p) => words(p.value))].join("_"));
  return names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length;
    return before === 0 ? name : `${name}_v${before + 1}`;
  });
}

interface Around {
  readonly resolver: Resolver;
  readonly file: LoadedFile;
  readonly context: Context;
}

function variant(
  name: string, base: ModelTree, point: readonly Coordinate[], match: Match | null, target: ModelSpec, around: Around,
): ModelSpec | null {
  const { context } = around;
  let tree: ModelTree = { ...base, name, expects: [], matchOptional: true };
  for (const { vary, value } of point) {
    const sequence = vary.path.text === "stack" ? stackOf(value, context) : null;
    if (vary.path.text === "stack" && sequence === null) return null;
    const next = setPath(tree, { path: vary.path.text, span: vary.path.span, values: [value], sequence }, context);
    if (isDeadEnd(next)) {
      reportDeadEnd(next, { path: vary.path.text, span: vary.path.span }, context);
      return null;
    }
    tree = next;
  }
  if (match === null) return around.resolver.build(tree, around.file);
  const free = setFree({ ...tree, match: null }, match.by.text, match.by.span, context);
  const unknown = free === null ? null : theUnknown(free, context);
  if (free === null || unknown === null || unknown === undefined) return null;
  return solve(free, unknown, match.what, measure(target, match.what), about(name, context.report));
}

/** The stack in a string; blanks in front of it keep its place in the file. Null (reported) if it is none. */
function stackOf(value: ValueAst, { report }: Context): SequenceAst | null {
  const start = value.span.start + (value.kind === "string" ? 1 : 0);
  return parseSequence({ file: value.span.file, text: " ".repeat(start) + written(value) }, report);
}
