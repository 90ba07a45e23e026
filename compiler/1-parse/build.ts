/**
 * Concrete syntax tree → AST. The tree may have holes where the parser recovered: whatever lacks a part that it cannot
 * be without is left out (its place is among the damage).
 */
import type * as cst from "../../grammar/cst.ts";
import type * as ast from "../ir/ast.ts";
import { fn } from "./build-fn.ts";
import { readString } from "./literals.ts";
import { at, type Building, first, freeWord, given, list, number, over, present, word } from "./pieces.ts";

export type FileParts = Pick<ast.SpecAst, "version" | "imports" | "models" | "compares" | "statements">;

export function file(cx: Building, node: cst.FileCstNode): FileParts {
  const items = list(node.children.item).map((item) => item.children);
  return {
    version: number(cx, first(first(node.children.version)?.children.NumberLiteral)),
    imports: present(items.map((i) => given(cx, first(i.import), importOf))),
    models: present(items.map((i) => given(cx, first(i.model), model))),
    compares: present(items.map((i) => given(cx, first(i.compare), compare))),
    statements: present(items.map((i) => given(cx, first(i.statement), statement))),
  };
}

function importOf(cx: Building, node: cst.ImportCstNode): ast.ImportAst | null {
  const token = first(node.children.StringLiteral);
  const path = token === undefined ? null : readString(token.image, at(cx, token), cx.report, cx.damage);
  return path === null ? null : { path, pathSpan: at(cx, token!), span: over(cx, node) };
}

function model(cx: Building, node: cst.ModelCstNode): ast.ModelAst | null {
  const [own, parent] = list(node.children.AnyWord);
  const name = freeWord(cx, own);
  const body = given(cx, first(node.children.block), block);
  return name === null || body === null ? null : { name, from: freeWord(cx, parent), body, span: over(cx, node) };
}

function compare(cx: Building, node: cst.CompareCstNode): ast.CompareAst | null {
  const name = freeWord(cx, first(node.children.AnyWord));
  const body = given(cx, first(node.children.block), block);
  return name === null || body === null ? null : { name, body, span: over(cx, node) };
}

const block = (cx: Building, node: cst.BlockCstNode): ast.BlockAst => ({
  statements: present(list(node.children.statement).map((n) => statement(cx, n))),
  span: over(cx, node),
});

function statement(cx: Building, node: cst.StatementCstNode): ast.StatementAst | null {
  const c = node.children;
  return (
    given(cx, first(c.fn), fn) ?? given(cx, first(c.layer), layer) ?? given(cx, first(c.stack), stack)
    ?? given(cx, first(c.expect), expect) ?? given(cx, first(c.match), match) ?? given(cx, first(c.vary), vary)
    ?? given(cx, first(c.entry), entry)
  );
}

function entry(cx: Building, node: cst.EntryCstNode): ast.EntryAst | null {
  const name = word(cx, first(node.children.Identifier));
  if (name === null) return null;
  return {
    kind: "entry", name, span: over(cx, node),
    values: given(cx, first(node.children.valueList), values) ?? [],
    clauses: present(list(node.children.clause).map((n) => clause(cx, n))),
    block: given(cx, first(node.children.block), block),
  };
}

function clause(cx: Building, node: cst.ClauseCstNode): ast.ClauseAst | null {
  const name = word(cx, first(node.children.At) ?? first(node.children.On) ?? first(node.children.In));
  const list = given(cx, first(node.children.valueList), values);
  return name === null || list === null ? null : { word: name, values: list, span: over(cx, node) };
}

export const values = (cx: Building, node: cst.ValueListCstNode): ast.ValueAst[] =>
  present(list(node.children.value).map((n) => value(cx, n)));

function value(cx: Building, node: cst.ValueCstNode): ast.ValueAst | null {
  const { NumberLiteral, StringLiteral } = node.children;
  const text = first(StringLiteral);
  if (text !== undefined) {
    const read = readString(text.image, at(cx, text), cx.report, cx.damage);
    return read === null ? null : { kind: "string", value: read, text: text.image, span: at(cx, text) };
  }
  return number(cx, first(NumberLiteral)) ?? given(cx, first(node.children.path), (inner, p) => ({ kind: "word", ...path(inner, p) }));
}

function path(cx: Building, node: cst.PathCstNode): ast.NameAst {
  const parts = list(node.children.part)
    .map(({ children: c }) => first(c.Identifier) ?? first(c.At) ?? first(c.On));
  return { text: present([first(node.children.Identifier), ...parts]).map((token) => token.image).join("."), span: over(cx, node) };
}

const target = (cx: Building, node: cst.TargetCstNode): ast.NameAst | null =>
  given(cx, first(node.children.path), (_, p) => ({
    text: (first(node.children.Layer) === undefined ? "" : "layer.") + path(cx, p).text,
    span: over(cx, node),
  }));

function layer(cx: Building, node: cst.LayerCstNode): ast.LayerAst | null {
  const names = present(list(node.children.AnyWord).map((n) => freeWord(cx, n)));
  const body = given(cx, first(node.children.block), block);
  const star = first(node.children.Star) !== undefined;
  if (body === null || (!star && names.length === 0)) return null;
  return { kind: "layer", word: at(cx, first(node.children.Layer)!), names: star ? null : names, body, span: over(cx, node) };
}

const stack = (cx: Building, node: cst.StackCstNode): ast.StackAst | null =>
  given(cx, first(node.children.sequence), (_, child) => {
    const read = sequence(cx, child);
    return read === null ? null : { kind: "stack", word: at(cx, first(node.children.Stack)!), sequence: read, span: over(cx, node) };
  });

/** Null if any part is missing: half a stack would draw wrong conclusions. */
export function sequence(cx: Building, node: cst.SequenceCstNode): ast.SequenceAst | null {
  const all = list(node.children.repeat).map((n) => repeat(cx, n));
  const items = present(all);
  return items.length < all.length || items.length === 0 ? null : { kind: "sequence", items, span: over(cx, node) };
}

function repeat(cx: Building, node: cst.RepeatCstNode): ast.RepeatAst | null {
  const name = word(cx, first(node.children.Identifier));
  const group = first(node.children.group);
  const starred = first(node.children.Star) !== undefined;
  const times = number(cx, first(node.children.NumberLiteral));
  if (starred && times === null) return null;
  const inner = given(cx, first(group?.children.sequence), sequence);
  if (group !== undefined) return inner === null ? null : {
    item: { kind: "group", function: name, sequence: inner }, times, span: over(cx, node),
  };
  return name === null ? null : { item: { kind: "layer", name }, times, span: over(cx, node) };
}

function expect(cx: Building, node: cst.ExpectCstNode): ast.ExpectAst | null {
  const measure = word(cx, first(node.children.Identifier));
  const [expected, margin] = list(node.children.NumberLiteral);
  const value = number(cx, expected);
  if (measure === null || value === null) return null;
  return {
    kind: "expect", word: at(cx, first(node.children.Expect)!), measure, value, tolerance: number(cx, margin), span: over(cx, node),
  };
}

function match(cx: Building, node: cst.MatchCstNode): ast.MatchAst | null {
  const [first_, second] = list(node.children.Identifier);
  const measure = word(cx, first_);
  if (measure === null) return null;
  const by = given(cx, first(node.children.target), target);
  return { kind: "match", word: at(cx, first(node.children.Match)!), measure, model: word(cx, second), by, span: over(cx, node) };
}

function vary(cx: Building, node: cst.VaryCstNode): ast.VaryAst | null {
  const path = word(cx, first(node.children.Stack)) ?? given(cx, first(node.children.target), target);
  const list = given(cx, first(node.children.valueList), values);
  return path === null || list === null ? null : {
    kind: "vary", word: at(cx, first(node.children.Vary)!), path, values: list, span: over(cx, node),
  };
}
