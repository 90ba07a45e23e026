/** What every part of the tree is built with: places, names, numbers, and parts that may be missing. */
import type { CstNode, IToken } from "chevrotain";
import { KEYWORDS } from "../../grammar/tokens.ts";
import type { Reporter } from "../diagnostics/index.ts";
import type * as ast from "../ir/ast.ts";
import type { SourceText, Span } from "../ir/source.ts";
import { readNumber } from "./literals.ts";

export interface Building {
  readonly source: SourceText;
  readonly report: Reporter;
  /** Places of numbers, strings and names that are none are added here. */
  readonly damage: Span[];
}

export const at = (cx: Building, token: IToken): Span =>
  ({ file: cx.source.file, start: token.startOffset, end: token.startOffset + token.image.length });

export function over(cx: Building, node: CstNode): Span {
  const start = node.location?.startOffset ?? 0;
  return { file: cx.source.file, start, end: Math.max(start, (node.location?.endOffset ?? start - 1) + 1) };
}

export const word = (cx: Building, token: IToken | undefined): ast.NameAst | null =>
  token === undefined || token.isInsertedInRecovery === true ? null : { text: token.image, span: at(cx, token) };

/** The name of a model, a layer, a function or a parameter; a word of the language is reported and taken for the name. */
export function freeWord(cx: Building, token: IToken | undefined): ast.NameAst | null {
  const name = word(cx, token);
  if (name !== null && KEYWORDS.includes(token!.tokenType)) {
    cx.report.report("reserved-word", name.span, { word: name.text });
    cx.damage.push(name.span);
  }
  return name;
}

export const number = (cx: Building, token: IToken | undefined): ast.NumberAst | null =>
  token === undefined || token.isInsertedInRecovery === true ? null : readNumber(token.image, at(cx, token), cx.report, cx.damage);

export const first = <T>(items: readonly T[] | undefined): T | undefined => items?.[0];
export const list = <T>(items: readonly T[] | undefined): readonly T[] => items ?? [];
export const present = <T>(items: readonly (T | null | undefined)[]): T[] =>
  items.filter((item): item is T => item !== null && item !== undefined);

export const given = <T, R>(cx: Building, value: T | undefined, then: (cx: Building, value: T) => R): R | null =>
  value === undefined ? null : then(cx, value);
