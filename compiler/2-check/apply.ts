/** Applies statements to settings: the one place where names are looked up in the language table. */
import { nearest } from "../diagnostics/index.ts";
import type { ClauseAst, EntryAst, StatementAst, ValueAst } from "../ir/ast.ts";
import type { Span } from "../ir/source.ts";
import type { Block, Field, Kind } from "./field.ts";
import { STATEMENTS } from "./language.ts";
import { called, homesOf, meaning } from "./names.ts";
import { ownEntry } from "./own.ts";
import { child, type Context, kindName, kindOf, type Setting, type Settings, touches } from "./settings.ts";
import { expected, readValue, spanOf } from "./value.ts";

export interface ApplyContext extends Context {
  /** Where each path was set by the model at hand: a second time is an error. */
  readonly written: Map<string, Span>;
  /** `solve` is allowed. */
  readonly solvable: boolean;
}

/** Where a statement lands: the kind it is looked up in, words for messages, the path for duplicates. */
export interface Scope {
  readonly kind: Kind;
  /** "`attention switchhead`" */
  readonly where: string;
  readonly path: string;
}

export function applyStatements(settings: Settings, statements: readonly StatementAst[], scope: Scope, context: ApplyContext): Settings {
  return statements.reduce((sofar, statement) => {
    if (statement.kind === "entry") return applyEntry(sofar, statement, scope, context);
    if (isLost(statement, context)) return sofar;
    context.report.report("misplaced-statement", "word" in statement ? statement.word : statement, {
      statement: statement.kind, where: scope.where, home: STATEMENTS[statement.kind],
    });
    return sofar;
  }, settings);
}

export function applyEntry(settings: Settings, entry: EntryAst, scope: Scope, context: ApplyContext): Settings {
  const name = entry.name.text;
  const field = ownEntry(scope.kind.fields, name);
  if (field !== undefined) return applyField(settings, entry, field, scope, context);
  const block = ownEntry(scope.kind.blocks, name);
  if (block !== undefined) {
    const next = applyBlock(child(settings, name), block, entry, scope, context);
    return { ...settings, blocks: { ...settings.blocks, [name]: next } };
  }
  reportUnknown(entry, scope, context);
  return { ...settings, broken: true };
}

/** True behind an unclosed brace, where statements have ended up in a block they were not meant for. */
const isLost = (statement: StatementAst, { damage }: ApplyContext): boolean =>
  damage.some((d) => d.file === statement.span.file && d.start < statement.span.start && statement.span.start < d.end);

function reportUnknown(entry: EntryAst, scope: Scope, context: ApplyContext): void {
  if (isLost(entry, context)) return;
  const name = entry.name.text;
  const choices = [
    ...Object.keys(scope.kind.fields).filter((f) => scope.kind.fields[f]!.clauseOf === null), ...Object.keys(scope.kind.blocks),
  ];
  const near = meaning(name, choices);
  const meant = near ?? called(name);
  const homes = near === null ? homesOf(meant) : [];
  context.report.report("unknown-field", entry.name.span, {
    name, where: scope.where, choices, homes, meant, bare: entry.values.length === 0 && entry.block === null,
    nearest: near ?? (homes.length > 0 ? null : nearest(name, choices)),
  });
}

function applyField(settings: Settings, entry: EntryAst, field: Field<unknown>, scope: Scope, context: ApplyContext): Settings {
  const name = entry.name.text;
  if (entry.block !== null) context.report.report("not-a-block", entry.name.span, { name });
  const value = entry.block !== null && entry.values.length === 0
    ? { value: null, solve: false, nameSpan: entry.name.span, span: entry.name.span }
    : fieldSetting(name, field, entry.values, entry.name.span, entry.span, context);
  const next = store(settings, name, field, value, scope, context);
  return entry.clauses.reduce((sofar, clause) => applyClause(sofar, clause, name, scope, context), next);
}

/** `on v, o` behind a field, `at pre` behind a block's kind: a field of its own, written as a clause. */
function applyClause(settings: Settings, clause: ClauseAst, of: string, scope: Scope, context: ApplyContext): Settings {
  const word = clause.word.text;
  const field = ownEntry(scope.kind.fields, word);
  if (field === undefined || field.clauseOf !== of) {
    context.report.report("unexpected-clause", clause.word.span, { word, name: of, homes: homesOf(word) });
    return settings;
  }
  return store(settings, word, field, fieldSetting(word, field, clause.values, clause.word.span, clause.span, context), scope, context);
}

function fieldSetting(
  name: string, field: Field<unknown>, values: readonly ValueAst[], nameSpan: Span, whole: Span, context: ApplyContext,
): Setting {
  const { report, damage } = context;
  if (values.length === 0) {
    if (!damage.some((d) => touches(d, whole))) report.report("missing-value", nameSpan, { name, expected: expected(field.type) });
    return { value: null, solve: false, nameSpan, span: nameSpan };
  }
  const span = spanOf(values);
  const [first, ...more] = values;
  const isSolve = first?.kind === "word" && first.text === "solve" && more.length === 0;
  const solve = field.type.type === "int" && context.solvable && isSolve;
  return { value: solve ? null : readValue(name, field, values, context), solve, nameSpan, span };
}

function store(
  settings: Settings, name: string, { rival }: Field<unknown>, setting: Setting, scope: Scope, context: ApplyContext,
): Settings {
  if (writtenTwice(`${scope.path}.${name}`, name, setting.nameSpan, context)) return settings;
  const other = rival === null ? undefined : context.written.get(`${scope.path}.${rival}`);
  if (other !== undefined) context.report.report(
    "rival-fields", setting.nameSpan, { name, rival: rival! }, [{ span: other, note: "the other one" }],
  );
  const kept = Object.entries(settings.fields).filter(([field]) => field !== rival);
  return { ...settings, fields: { ...Object.fromEntries(kept), [name]: setting } };
}

function writtenTwice(path: string, name: string, span: Span, context: ApplyContext): boolean {
  const before = context.written.get(path);
  if (before === undefined) {
    context.written.set(path, span);
    return false;
  }
  context.report.report("duplicate-field", span, { name }, [{ span: before, note: "first set here" }]);
  return true;
}

function applyBlock(settings: Settings, block: Block, entry: EntryAst, outer: Scope, context: ApplyContext): Settings {
  const name = entry.name.text;
  const path = `${outer.path}.${name}`;
  let next = applyKind(settings, block, entry, path, context);
  const kind = kindOf(next, block);
  const word = kindName(next, block);
  const scope: Scope = { kind, path, where: `\`${word === null || word === "" ? name : `${name} ${word}`}\`` };
  for (const clause of entry.clauses) next = applyClause(next, clause, name, scope, context);
  if (context.damage.some((d) => touches(d, entry.span))) next = { ...next, broken: true };
  return entry.block === null ? next : applyStatements(next, entry.block.statements, scope, context);
}

/** `attention mha`: another kind than the inherited one keeps the settings that both kinds have. */
function applyKind(settings: Settings, block: Block, entry: EntryAst, path: string, context: ApplyContext): Settings {
  const name = entry.name.text;
  const kinds = Object.keys(block.kinds);
  const wordless = ownEntry(block.kinds, "") !== undefined;
  const here: Settings = { ...settings, span: settings.span ?? entry.name.span };
  if (entry.values.length === 0) {
    if (entry.block === null && entry.clauses.length === 0 && !context.damage.some((d) => touches(d, entry.span))) {
      context.report.report("missing-value", entry.name.span, { name, expected: wordless ? "`{ … }`" : oneOfKinds(kinds) });
    }
    // `rope { … }` after an inherited `rope none` can only mean that there is one again.
    return settings.kind?.name === "none" && entry.block !== null ? { ...here, kind: null } : here;
  }
  const value = entry.values[0]!;
  const word = value.kind === "word" ? value.text : null;
  if (word === null || entry.values.length > 1 || wordless) {
    const expectedHere = wordless ? "braces" : oneOfKinds(kinds);
    context.report.report("wrong-value", spanOf(entry.values), { name, expected: expectedHere, found: describeAll(entry.values) });
    return { ...here, broken: true };
  }
  if (!kinds.includes(word)) {
    context.report.report("unknown-kind", value.span, { block: name, name: word, nearest: nearest(word, kinds), choices: kinds });
    return { ...here, broken: true };
  }
  if (writtenTwice(`${path}:kind`, name, entry.name.span, context)) return here;
  return changeKind({ ...here, span: entry.name.span }, block, { name: word, span: value.span });
}

function changeKind(settings: Settings, block: Block, kind: { readonly name: string; readonly span: Span }): Settings {
  const from = kindOf(settings, block);
  const to = block.kinds[kind.name]!;
  const fields = Object.entries(settings.fields)
    .filter(([name, setting]) => fits(setting, ownEntry(from.fields, name), ownEntry(to.fields, name)));
  const blocks = Object.entries(settings.blocks).filter(([name]) => ownEntry(to.blocks, name) === ownEntry(from.blocks, name));
  return { ...settings, kind, fields: Object.fromEntries(fields), blocks: Object.fromEntries(blocks) };
}

/** Both kinds have the field, of one type; of flags that have other words, `true` and `false` are kept. */
function fits({ value }: Setting, from: Field<unknown> | undefined, to: Field<unknown> | undefined): boolean {
  if (from === undefined || to === undefined) return false;
  return JSON.stringify(from.type) === JSON.stringify(to.type) || (to.type.type === "flag" && typeof value === "boolean");
}

const oneOfKinds = (kinds: readonly string[]): string => `one of ${kinds.map((k) => `\`${k}\``).join(", ")}`;

const describeAll = (values: readonly ValueAst[]): string =>
  values.map((v) => `\`${v.text}\``).join(", ");
