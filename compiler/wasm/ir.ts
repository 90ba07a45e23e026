/** A kernel between syntax and bytes: one function, everything inlined and typed, addresses in bytes. */
import type { Type } from "./types.ts";

/** How often a value changes: the number of loops around the place where it is made. 0 holds for the whole function. */
export type Depth = number;
/** Of a value that may be another when it is computed again: read from memory or from a variable. */
export const CHANGES: Depth = Infinity;

export interface Local {
  readonly type: Type;
  /** Loops around its definition; CHANGES for a variable. */
  readonly depth: Depth;
  /** What it was defined as, where computing it again later gives the same. */
  readonly meaning: Value | null;
}

export interface Memory {
  readonly element: Type;
  readonly written: boolean;
  /** Byte address of its first element. */
  readonly base: Value;
  /** Bytes to add to the base. */
  readonly offset: number;
}

/** Operations that WebAssembly has as one instruction for the type of their arguments, and those that codegen writes as a few. */
export type Operation =
  | "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<<" | ">>" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "&&" | "||"
  | "negate" | "not" | "complement" | "abs" | "sqrt" | "ceil" | "floor" | "trunc" | "round" | "min" | "max" | "any" | "dot"
  /** Arguments: if not, if so, condition. */
  | "select"
  /** One number in all places of a vector; numbers as a vector. */
  | "splat" | "vector"
  /** To another type of number; the same bits as another type. */
  | "convert" | "bitcast";

export type Value = { readonly type: Type; readonly depth: Depth } & (
  | { readonly op: "constant"; readonly value: number }
  | { readonly op: "local"; readonly local: Local }
  | { readonly op: "load"; readonly address: Value; readonly offset: number; readonly written: boolean }
  /** One number of a vector. */
  | { readonly op: "lane"; readonly of: Value; readonly lane: number }
  | { readonly op: Operation; readonly values: readonly Value[] }
);

export interface Label {
  readonly name: string;
}

export type Statement =
  | { readonly do: "set"; readonly local: Local; readonly value: Value }
  | { readonly do: "store"; readonly address: Value; readonly offset: number; readonly value: Value }
  | { readonly do: "if"; readonly condition: Value; readonly then: readonly Statement[]; readonly otherwise: readonly Statement[] }
  /** While the condition holds: body, then step. */
  | { readonly do: "loop"; readonly condition: Value; readonly body: readonly Statement[]; readonly step: readonly Statement[] }
  /** A body that `exit` leaves. */
  | { readonly do: "block"; readonly label: Label; readonly body: readonly Statement[] }
  | { readonly do: "exit"; readonly label: Label };

/** The function of a kernel. */
export interface KernelCode {
  /** In the order of the ABI: sizes, scratch, first, end, one for each storage binding. */
  readonly parameters: readonly Local[];
  readonly body: readonly Statement[];
  readonly scratchBytes: number;
}
