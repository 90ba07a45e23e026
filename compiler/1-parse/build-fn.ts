/** Concrete syntax tree → AST of `fn` statements. An expression with a hole is null as a whole: half of it would be another function. */
import type { IToken } from "chevrotain";
import type * as cst from "../../grammar/cst.ts";
import type * as ast from "../ir/ast.ts";
import { at, type Building, first, freeWord, given, list, number, over, present, word } from "./pieces.ts";

export function fn(cx: Building, node: cst.FnCstNode): ast.FnAst | null {
  const [name, ...params] = list(node.children.AnyWord).map((token) => freeWord(cx, token));
  if (name === undefined || name === null) return null;
  return {
    kind: "fn", word: at(cx, first(node.children.Fn)!), name, params: present(params), body: given(cx, first(node.children.sum), sum),
    span: over(cx, node),
  };
}

const sum = (cx: Building, node: cst.SumCstNode): ast.ExprAst | null =>
  chain(cx, node, list(node.children.product).map((part) => product(cx, part)), node.children.AddSign);

const product = (cx: Building, node: cst.ProductCstNode): ast.ExprAst | null =>
  chain(cx, node, list(node.children.factor).map((part) => factor(cx, part)), node.children.MultiplySign);

/** Operands with the signs between them. */
function chain(
  cx: Building, node: cst.SumCstNode | cst.ProductCstNode, operands: readonly (ast.ExprAst | null)[], signs: readonly IToken[] | undefined,
): ast.ExprAst | null {
  const [head, ...others] = present(operands);
  if (head === undefined || others.length + 1 < operands.length || others.length !== list(signs).length) return null;
  const rest = others.map((operand, i) => ({ sign: signs![i]!.image as ast.OperatorSign, operand }));
  return rest.length === 0 ? head : { kind: "chain", first: head, rest, span: over(cx, node) };
}

function factor(cx: Building, node: cst.FactorCstNode): ast.ExprAst | null {
  const of = given(cx, first(node.children.operand), operand);
  return of === null || first(node.children.Minus) === undefined ? of : { kind: "negative", of, span: over(cx, node) };
}

function operand(cx: Building, node: cst.OperandCstNode): ast.ExprAst | null {
  const { NumberLiteral, Identifier, sum: inner } = node.children;
  const name = word(cx, first(Identifier));
  if (name === null) return number(cx, first(NumberLiteral)) ?? given(cx, first(inner), sum);
  const list = first(node.children.arguments);
  if (list === undefined) return { kind: "parameter", ...name };
  const args = callArguments(cx, list);
  return args === null ? null : { kind: "call", name, args, span: over(cx, node) };
}

function callArguments(cx: Building, node: cst.ArgumentsCstNode): readonly ast.ArgumentAst[] | null {
  const all = list(node.children.argument).map((part) => argument(cx, part));
  return present(all).length < all.length || all.length === 0 ? null : present(all);
}

function argument(cx: Building, node: cst.ArgumentCstNode): ast.ArgumentAst | null {
  const [left, right] = list(node.children.sum).map((part) => sum(cx, part));
  const sign = first(node.children.CompareSign);
  if (sign === undefined) return left ?? null;
  return left && right ? { kind: "comparison", sign: sign.image as ast.ComparisonSign, left, right, span: at(cx, sign) } : null;
}
