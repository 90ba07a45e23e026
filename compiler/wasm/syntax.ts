/** WGSL as parsed: the subset that kernels are written in (docs/wgsl-subset.md). `line` counts from 1. */
import type { Type } from "./types.ts";

export interface Module {
  /** Fields of the uniform block, in order: all are u32. */
  readonly sizes: readonly string[];
  /** Storage bindings 1, 2, …, in this order. */
  readonly storage: readonly ArrayVariable[];
  /** Memory of a workgroup, which is one invocation: scratch of its thread. */
  readonly workgroup: readonly ArrayVariable[];
  readonly functions: readonly FunctionSyntax[];
}

export interface ArrayVariable {
  readonly name: string;
  readonly element: Type;
  /** Extents of an array (of arrays), outermost first, 0 where it is as long as its buffer; none of a single value. */
  readonly extents: readonly number[];
  readonly written: boolean;
}

export interface FunctionSyntax {
  readonly name: string;
  /** Of main; null for others. */
  readonly workgroupSize: number | null;
  readonly parameters: readonly { readonly name: string; readonly type: Type; readonly builtin: string | null }[];
  readonly result: Type | null;
  readonly body: readonly StatementSyntax[];
  readonly line: number;
}

type Statements = readonly StatementSyntax[];

export type StatementSyntax = { readonly line: number } & (
  | { readonly kind: "let" | "var"; readonly name: string; readonly type: Type | null; readonly value: ExpressionSyntax | null }
  /** `operator` is that of `+=` and its like, null for `=`. */
  | { readonly kind: "assign"; readonly target: ExpressionSyntax; readonly operator: string | null; readonly value: ExpressionSyntax }
  | { readonly kind: "if"; readonly condition: ExpressionSyntax; readonly then: Statements; readonly otherwise: Statements }
  | {
      readonly kind: "for"; readonly start: StatementSyntax; readonly condition: ExpressionSyntax; readonly step: StatementSyntax;
      readonly body: Statements;
    }
  | { readonly kind: "return"; readonly value: ExpressionSyntax | null }
  | { readonly kind: "call"; readonly call: ExpressionSyntax }
  | { readonly kind: "block"; readonly body: readonly StatementSyntax[] }
);

export type ExpressionSyntax = { readonly line: number } & (
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "member"; readonly of: ExpressionSyntax; readonly name: string }
  | { readonly kind: "index"; readonly of: ExpressionSyntax; readonly index: ExpressionSyntax }
  | { readonly kind: "unary"; readonly operator: string; readonly of: ExpressionSyntax }
  | { readonly kind: "binary"; readonly operator: string; readonly left: ExpressionSyntax; readonly right: ExpressionSyntax }
  /** `callee` may be a type; `type` is what stands in the brackets of `bitcast<…>`. */
  | { readonly kind: "call"; readonly callee: string; readonly type: Type | null; readonly values: readonly ExpressionSyntax[] }
);
