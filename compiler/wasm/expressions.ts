/** Expressions of the subset as values: what WGSL calls abstract numbers take the type that is needed around them. */
import { constant, read, type Builder } from "./builder.ts";
import { libraryFunction } from "./functions.ts";
import { opcodeOf } from "./instructions.ts";
import type { Local, Memory, Operation, Value } from "./ir.ts";
import type { ArrayVariable, ExpressionSyntax, FunctionSyntax } from "./syntax.ts";
import { isVector, scalarOf, vectorOf, widthOf, type Scalar, type Type } from "./types.ts";

export type Binding = { readonly value: Value } | { readonly variable: Local } | { readonly array: ArrayVariable; readonly memory: Memory };
export type Scope = Map<string, Binding>;

/** What all functions of a kernel share. */
export interface KernelContext {
  readonly builder: Builder;
  readonly globals: Scope;
  readonly functions: ReadonlyMap<string, FunctionSyntax>;
  readonly hasSize: (name: string) => boolean;
  readonly size: (name: string) => Value;
  readonly inline: (kernel: KernelContext, f: FunctionSyntax, values: readonly Value[]) => Value | null;
}

/** A number whose type is not settled: `1` may become any, `1.0` any with a fraction. */
interface Abstract {
  readonly abstract: number;
  readonly fraction: boolean;
}
type Operand = Value | Abstract;

const isAbstract = (operand: Operand): operand is Abstract => "abstract" in operand;

/** The value with the type that it has if nothing else is asked for. */
export const convert = (operand: Operand): Value =>
  (isAbstract(operand) ? constant(operand.fraction ? "f32" : "i32", operand.abstract) : operand);

/** Whole numbers of a type, the least and the greatest. */
const RANGES: Partial<Readonly<Record<Type, readonly [number, number]>>> = { u32: [0, 2 ** 32 - 1], i32: [-(2 ** 31), 2 ** 31 - 1] };

/** Whether a number is one of this type: every f32 may be rounded, whole numbers must be in its range. */
function canBe({ abstract, fraction }: Abstract, scalar: Type): boolean {
  const range = RANGES[scalar];
  return scalar === "f32" || (range !== undefined && !fraction && abstract >= range[0] && abstract <= range[1]);
}

/** The value as this type: numbers without one take it, single ones fill vectors. */
export function settled({ builder }: KernelContext, operand: Operand, type: Type, line: number): Value {
  if (isAbstract(operand) && canBe(operand, scalarOf(type))) return constant(type, operand.abstract);
  if (isAbstract(operand)) throw new Error(`${line}: ${operand.abstract} where ${type} is needed`);
  if (operand.type === type) return operand;
  if (!isVector(operand.type) && isVector(type) && operand.type === scalarOf(type)) return builder.splat(type, operand);
  throw new Error(`${line}: ${operand.type} where ${type} is needed`);
}

type Scopes = readonly Scope[];

export function expression(s: KernelContext, scopes: Scopes, e: ExpressionSyntax): Operand {
  switch (e.kind) {
    case "number": return numberOf(e.text);
    case "name": return nameOf(s, scopes, e);
    case "member": return memberOf(s, scopes, e);
    case "index": return elementOf(s, scopes, e);
    case "unary": return unary(s, expression(s, scopes, e.of), e.operator, e.line);
    case "binary": return binary(s, e.operator, expression(s, scopes, e.left), expression(s, scopes, e.right), e.line);
    case "call": return callOf(s, scopes, e) ?? refuse(e.line, `a value of ${e.callee}, which has none,`);
  }
}

function numberOf(text: string): Operand {
  const hex = text.startsWith("0x");
  const suffix = hex ? /[ui]$/.exec(text)?.[0] : /[fui]$/.exec(text)?.[0];
  const value = Number(suffix === undefined ? text : text.slice(0, -1));
  if (suffix === undefined) return { abstract: value, fraction: !hex && /[.eE]/.test(text) };
  return constant(suffix === "f" ? "f32" : suffix === "u" ? "u32" : "i32", value);
}

const find = (scopes: Scopes, name: string): Binding | undefined => scopes.findLast((scope) => scope.has(name))?.get(name);

function nameOf({ builder }: KernelContext, scopes: Scopes, e: ExpressionSyntax & { readonly kind: "name" }): Operand {
  if (e.name === "true" || e.name === "false") return constant("bool", Number(e.name === "true"));
  const found = find(scopes, e.name) ?? refuse(e.line, `the name ${e.name}`);
  if ("value" in found) return found.value;
  return "variable" in found ? read(found.variable) : builder.load(found.memory, constant("u32", 0));
}

function memberOf(s: KernelContext, scopes: Scopes, e: ExpressionSyntax & { readonly kind: "member" }): Operand {
  if (e.of.kind === "name" && e.of.name === "sizes") return s.hasSize(e.name) ? s.size(e.name) : refuse(e.line, `the size ${e.name}`);
  const of = s.builder.name(convert(expression(s, scopes, e.of)));
  const lanes = [...e.name].map((letter) => "xyzw".indexOf(letter));
  if (lanes.some((lane) => lane < 0 || lane >= widthOf(of.type))) refuse(e.line, `the part .${e.name} of ${of.type}`);
  const parts = lanes.map((lane) => s.builder.lane(of, lane));
  return parts.length === 1 ? parts[0]! : s.builder.vector(vectorOf(scalarOf(of.type), parts.length), parts);
}

/** An element of an array, or a number of a vector. */
function elementOf(s: KernelContext, scopes: Scopes, e: ExpressionSyntax & { readonly kind: "index" }): Operand {
  if (rootOf(s, scopes, e) !== null) {
    const { memory, index } = memoryAt(s, scopes, e);
    return s.builder.load(memory, index);
  }
  const of = s.builder.name(convert(expression(s, scopes, e.of)));
  const index = settled(s, expression(s, scopes, e.index), "u32", e.line);
  const numbers = Array.from({ length: widthOf(of.type) }, (_, lane) => s.builder.lane(of, lane));
  const isAt = (lane: number): Value => s.builder.make("==", "bool", index, constant("u32", lane));
  return numbers.reduce((rest, number, lane) => s.builder.make("select", number.type, rest, number, isAt(lane)));
}

/** The array that an index is one of; null where it is a vector's. */
function rootOf(s: KernelContext, scopes: Scopes, e: ExpressionSyntax): Extract<Binding, { readonly memory: Memory }> | null {
  if (e.kind === "index") return rootOf(s, scopes, e.of);
  const found = e.kind === "name" ? find(scopes, e.name) : undefined;
  return found !== undefined && "memory" in found ? found : null;
}

/** Where an element stands: `array[i]`, and of arrays of arrays `array[i][j]`. */
export function memoryAt(s: KernelContext, scopes: Scopes, e: ExpressionSyntax): { readonly memory: Memory; readonly index: Value } {
  const root = rootOf(s, scopes, e) ?? refuse(e.line, "something that is no array's element");
  const indices: Value[] = [];
  for (let at = e; at.kind === "index"; at = at.of) {
    const index = expression(s, scopes, at.index);
    indices.unshift(isAbstract(index) ? constant("u32", index.abstract) : index);
  }
  const { extents } = root.array;
  if (indices.length !== extents.length) refuse(e.line, "a part of an array that is no element");
  const index = indices.reduce((sum, i, axis) => {
    const row = s.builder.make("*", "u32", sum, constant("u32", extents[axis]!));
    return s.builder.make("+", "u32", row, i);
  }, constant("u32", 0));
  return { memory: root.memory, index };
}

function unary({ builder }: KernelContext, of: Operand, operator: string, line: number): Operand {
  if (isAbstract(of)) {
    if (operator === "-") return { ...of, abstract: -of.abstract };
    if (operator === "~" && !of.fraction) return { ...of, abstract: -of.abstract - 1 };
    return refuse(line, `${operator} before ${of.abstract}`);
  }
  if (operator === "-") return of.op === "constant" ? constant(of.type, -of.value) : builder.make("negate", of.type, of);
  return builder.make(operator === "!" ? "not" : "complement", of.type, of);
}

const COMPARES: readonly string[] = ["==", "!=", "<", ">", "<=", ">="];

function binary(s: KernelContext, operator: string, left: Operand, right: Operand, line: number): Operand {
  if (isAbstract(left) && isAbstract(right)) {
    const fraction = left.fraction || right.fraction;
    return { abstract: arithmetic(operator, left.abstract, right.abstract, fraction, line), fraction };
  }
  const op = operator as Operation;
  if (op === "<<" || op === ">>") {
    const value = convert(left);
    requireCode(op, value.type, line);
    return s.builder.make(op, value.type, value, settled(s, right, vectorOf("u32", widthOf(value.type)), line));
  }
  const typed = [left, right].filter((o): o is Value => !isAbstract(o));
  const type = (typed.find((v) => isVector(v.type)) ?? typed[0]!).type;
  requireCode(op, type, line);
  const result = COMPARES.includes(op) ? vectorOf("bool", widthOf(type)) : type;
  return s.builder.make(op, result, settled(s, left, type, line), settled(s, right, type, line));
}

function requireCode(op: Operation, type: Type, line: number): void {
  if (opcodeOf(op, type) === undefined) refuse(line, `${op} of ${type}`);
}

/** @param fraction whether the result may have one: whole numbers are divided as such */
function arithmetic(operator: string, a: number, b: number, fraction: boolean, line: number): number {
  if (operator === "/" && b === 0) refuse(line, "a division of numbers by 0");
  switch (operator) {
    case "+": return a + b;
    case "-": return a - b;
    case "*": return a * b;
    case "/": return fraction ? a / b : Math.trunc(a / b);
    default: return refuse(line, `${operator} between numbers without a type`);
  }
}

/** Functions of arguments of one type, and the numbers that they take, alone or in vectors (docs/wgsl-subset.md lists them). */
const TAKES: Readonly<Record<string, readonly Scalar[]>> = {
  ...functionsOf(["f32", "u32", "i32"], "min", "max", "clamp", "abs"), ...functionsOf(["f32", "i32"], "sign"),
  ...functionsOf(["f32"], "sqrt", "inverseSqrt", "round", "floor", "ceil", "trunc", "exp", "log", "tanh", "fma", "dot"),
  ...functionsOf(["bool"], "any"),
};

function functionsOf(scalars: readonly Scalar[], ...names: readonly string[]): Readonly<Record<string, readonly Scalar[]>> {
  return Object.fromEntries(names.map((name) => [name, scalars]));
}

/** What the functions give that do not give the type of their arguments. */
const RESULTS: Readonly<Record<string, (type: Type) => Type>> = { any: () => "bool", dot: scalarOf };

/** The value of a call; null of a function without one. */
export function callOf(s: KernelContext, scopes: Scopes, e: ExpressionSyntax & { readonly kind: "call" }): Value | null {
  const values = e.values.map((value) => expression(s, scopes, value));
  if (e.type !== null) return s.builder.make("bitcast", e.type, convert(values[0]!));
  if (/^(?:f32|u32|i32|bool|vec[234][fuib])$/.test(e.callee)) return construct(s, e.callee as Type, values, e.line);
  if (e.callee === "select") return select(s, values, e.line);
  const own = s.functions.get(e.callee);
  if (own !== undefined) return s.inline(s, own, values.map((value, i) => settled(s, value, own.parameters[i]!.type, e.line)));
  if (values.length === 0) return refuse(e.line, `the function ${e.callee}`);
  const type = commonType(values);
  const settledValues = values.map((value) => settled(s, value, type, e.line));
  const takes = Object.hasOwn(TAKES, e.callee) ? TAKES[e.callee]! : refuse(e.line, `the function ${e.callee}`);
  if (!takes.includes(scalarOf(type))) refuse(e.line, `${e.callee} of ${type}`);
  const library = libraryFunction(e.callee, type);
  if (library !== null) return s.inline({ ...s, functions: new Map() }, library, settledValues);
  return s.builder.make(e.callee as Operation, RESULTS[e.callee]?.(type) ?? type, ...settledValues);
}

/** That of the first vector, else of the first value that has one. */
function commonType(values: readonly Operand[]): Type {
  const typed = values.map(convert);
  return (typed.find((v) => isVector(v.type)) ?? values.find((v): v is Value => !isAbstract(v)) ?? typed[0]!).type;
}

/** `f32(x)`, `vec4f()`, `vec4f(x)`, `vec4f(v)`, `vec4f(x, y, z, w)`. */
function construct(s: KernelContext, type: Type, values: readonly Operand[], line: number): Value {
  const [only] = values;
  const scalar = scalarOf(type);
  if (only === undefined) return constant(type, 0);
  if (!isVector(type) && values.length === 1) return converted(s, only, type);
  if (values.length === widthOf(type)) return s.builder.vector(type, values.map((v) => settled(s, v, scalar, line)));
  if (values.length > 1) return refuse(line, `${type} of ${values.length} values`);
  if (!isAbstract(only) && isVector(only.type)) return converted(s, only, type);
  return s.builder.splat(type, settled(s, only, scalar, line));
}

function converted(s: KernelContext, value: Operand, type: Type): Value {
  if (isAbstract(value)) return constant(type, value.abstract);
  if (value.type === type) return value;
  const fromConstant = value.op === "constant" && !isVector(type);
  return fromConstant ? constant(type, value.value) : s.builder.make("convert", type, value);
}

function select(s: KernelContext, [no, yes, condition]: readonly Operand[], line: number): Value {
  const type = commonType([no!, yes!]);
  const chosen = convert(condition!);
  if (scalarOf(chosen.type) !== "bool") refuse(line, `a choice by ${chosen.type}`);
  return s.builder.make("select", type, settled(s, no!, type, line), settled(s, yes!, type, line), chosen);
}

export function refuse(line: number, what: string): never {
  throw new Error(`${line}: ${what} is outside of the subset of WGSL that is compiled to WebAssembly`);
}
