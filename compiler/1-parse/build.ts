/**
 * Concrete syntax tree → AST. The tree may have holes where the parser recovered: whatever lacks a part that it cannot
 * be without is left out (its place is among the damage).
 */
import type { CstNode, IToken } from "chevrotain";
import type * as cst from "../../grammar/cst.ts";
import { KEYWORDS } from "../../grammar/tokens.ts";
import type { Reporter } from "../diagnostics/index.ts";
import type * as ast from "../ir/ast.ts";
import type { SourceText, Span } from "../ir/source.ts";
import { readNumber, readString } from "./literals.ts";

export type FileParts = Pick<ast.SpecAst, "version" | "imports" | "models" | "compares" | "statements">;

export interface AstBuilder {
  file(node: cst.FileCstNode): FileParts;
  values(node: cst.ValueListCstNode): ast.ValueAst[];
  sequence(node: cst.SequenceCstNode): ast.SequenceAst | null;
}

/** @param damage places of numbers and strings that are none are added here */
export function createAstBuilder(source: SourceText, report: Reporter, damage: Span[]): AstBuilder {
  const at = (token: IToken): Span => ({ file: source.file, start: token.startOffset, end: token.startOffset + token.image.length });
  const over = (node: CstNode): Span => {
    const start = node.location?.startOffset ?? 0;
    return { file: source.file, start, end: Math.max(start, (node.location?.endOffset ?? start - 1) + 1) };
  };
  const word = (token: IToken | undefined): ast.NameAst | null =>
    token === undefined || token.isInsertedInRecovery === true ? null : { text: token.image, span: at(token) };
  /** The name of a model or a layer; a word of the language is reported and taken for the name. */
  const freeWord = (token: IToken | undefined): ast.NameAst | null => {
    const name = word(token);
    if (name !== null && KEYWORDS.includes(token!.tokenType)) {
      report.report("reserved-word", name.span, { word: name.text });
      damage.push(name.span);
    }
    return name;
  };
  const number = (token: IToken | undefined): ast.NumberAst | null =>
    token === undefined || token.isInsertedInRecovery === true ? null : readNumber(token.image, at(token), report, damage);

  const file = (node: cst.FileCstNode): FileParts => {
    const items = list(node.children.item).map((item) => item.children);
    return {
      version: number(first(first(node.children.version)?.children.NumberLiteral)),
      imports: present(items.map((i) => given(first(i.import), importOf))),
      models: present(items.map((i) => given(first(i.model), model))),
      compares: present(items.map((i) => given(first(i.compare), compare))),
      statements: present(items.map((i) => given(first(i.statement), statement))),
    };
  };

  const importOf = (node: cst.ImportCstNode): ast.ImportAst | null => {
    const token = first(node.children.StringLiteral);
    const path = token === undefined ? null : readString(token.image, at(token), report, damage);
    return path === null ? null : { path, pathSpan: at(token!), span: over(node) };
  };

  const model = (node: cst.ModelCstNode): ast.ModelAst | null => {
    const [own, parent] = list(node.children.AnyWord);
    const name = freeWord(own);
    const body = given(first(node.children.block), block);
    return name === null || body === null ? null : { name, from: freeWord(parent), body, span: over(node) };
  };

  const compare = (node: cst.CompareCstNode): ast.CompareAst | null => {
    const name = freeWord(first(node.children.AnyWord));
    const body = given(first(node.children.block), block);
    return name === null || body === null ? null : { name, body, span: over(node) };
  };

  const block = (node: cst.BlockCstNode): ast.BlockAst => ({
    statements: present(list(node.children.statement).map(statement)),
    span: over(node),
  });

  const statement = (node: cst.StatementCstNode): ast.StatementAst | null => {
    const c = node.children;
    return (
      given(first(c.layer), layer) ?? given(first(c.stack), stack) ?? given(first(c.expect), expect) ??
      given(first(c.match), match) ?? given(first(c.vary), vary) ?? given(first(c.entry), entry)
    );
  };

  const entry = (node: cst.EntryCstNode): ast.EntryAst | null => {
    const name = word(first(node.children.Identifier));
    if (name === null) return null;
    return {
      kind: "entry", name, span: over(node),
      values: given(first(node.children.valueList), values) ?? [],
      clauses: present(list(node.children.clause).map(clause)),
      block: given(first(node.children.block), block),
    };
  };

  const clause = (node: cst.ClauseCstNode): ast.ClauseAst | null => {
    const name = word(first(node.children.At) ?? first(node.children.On));
    const list = given(first(node.children.valueList), values);
    return name === null || list === null ? null : { word: name, values: list, span: over(node) };
  };

  const values = (node: cst.ValueListCstNode): ast.ValueAst[] => present(list(node.children.value).map(value));

  const value = (node: cst.ValueCstNode): ast.ValueAst | null => {
    const { NumberLiteral, StringLiteral } = node.children;
    const text = first(StringLiteral);
    if (text !== undefined) {
      const read = readString(text.image, at(text), report, damage);
      return read === null ? null : { kind: "string", value: read, text: text.image, span: at(text) };
    }
    return number(first(NumberLiteral)) ?? given(first(node.children.path), (p) => ({ kind: "word", ...path(p) }));
  };

  const path = (node: cst.PathCstNode): ast.NameAst => {
    const parts = list(node.children.part).map((part) => first(part.children.Identifier) ?? first(part.children.At) ?? first(part.children.On));
    return { text: present([first(node.children.Identifier), ...parts]).map((token) => token.image).join("."), span: over(node) };
  };

  const target = (node: cst.TargetCstNode): ast.NameAst | null =>
    given(first(node.children.path), (p) => ({
      text: (first(node.children.Layer) === undefined ? "" : "layer.") + path(p).text,
      span: over(node),
    }));

  const layer = (node: cst.LayerCstNode): ast.LayerAst | null => {
    const names = present(list(node.children.AnyWord).map(freeWord));
    const body = given(first(node.children.block), block);
    const star = first(node.children.Star) !== undefined;
    if (body === null || (!star && names.length === 0)) return null;
    return { kind: "layer", word: at(first(node.children.Layer)!), names: star ? null : names, body, span: over(node) };
  };

  const stack = (node: cst.StackCstNode): ast.StackAst | null =>
    given(first(node.children.sequence), (child) => {
      const read = sequence(child);
      return read === null ? null : { kind: "stack", word: at(first(node.children.Stack)!), sequence: read, span: over(node) };
    });

  /** Null if any part is missing: half a stack would draw wrong conclusions. */
  const sequence = (node: cst.SequenceCstNode): ast.SequenceAst | null => {
    const all = list(node.children.repeat).map(repeat);
    const items = present(all);
    return items.length < all.length || items.length === 0 ? null : { kind: "sequence", items, span: over(node) };
  };

  const repeat = (node: cst.RepeatCstNode): ast.RepeatAst | null => {
    const name = word(first(node.children.Identifier));
    const group = first(node.children.group);
    const starred = first(node.children.Star) !== undefined;
    const times = number(first(node.children.NumberLiteral));
    if (starred && times === null) return null;
    const inner = given(first(group?.children.sequence), sequence);
    if (group !== undefined) return inner === null ? null : { item: { kind: "group", function: name, sequence: inner }, times, span: over(node) };
    return name === null ? null : { item: { kind: "layer", name }, times, span: over(node) };
  };

  const expect = (node: cst.ExpectCstNode): ast.ExpectAst | null => {
    const measure = word(first(node.children.Identifier));
    const [expected, margin] = list(node.children.NumberLiteral);
    const value = number(expected);
    if (measure === null || value === null) return null;
    return { kind: "expect", word: at(first(node.children.Expect)!), measure, value, tolerance: number(margin), span: over(node) };
  };

  const match = (node: cst.MatchCstNode): ast.MatchAst | null => {
    const [first_, second] = list(node.children.Identifier);
    const measure = word(first_);
    if (measure === null) return null;
    const by = given(first(node.children.target), target);
    return { kind: "match", word: at(first(node.children.Match)!), measure, model: word(second), by, span: over(node) };
  };

  const vary = (node: cst.VaryCstNode): ast.VaryAst | null => {
    const path = given(first(node.children.target), target);
    const list = given(first(node.children.valueList), values);
    return path === null || list === null ? null : { kind: "vary", word: at(first(node.children.Vary)!), path, values: list, span: over(node) };
  };

  return { file, values, sequence };
}

const first = <T>(items: readonly T[] | undefined): T | undefined => items?.[0];
const list = <T>(items: readonly T[] | undefined): readonly T[] => items ?? [];
const given = <T, R>(value: T | undefined, then: (value: T) => R): R | null => (value === undefined ? null : then(value));
const present = <T>(items: readonly (T | null | undefined)[]): T[] => items.filter((item): item is T => item !== null && item !== undefined);
