/**
 * Values of the intermediate form. What is known is folded; what changes less often than the innermost loop turns is computed once, in
 * front of the outermost loop in which it stays the same: the engine that compiles WebAssembly moves little out of loops by itself.
 */
import { CHANGES, type Depth, type Local, type Memory, type Operation, type Statement, type Value } from "./ir.ts";
import { bytesOf, isVector, scalarOf, type Type } from "./types.ts";

export function constant(type: Type, value: number): Value {
  if (isVector(type)) return { op: "splat", type, depth: 0, values: [constant(scalarOf(type), value)] };
  return { op: "constant", type, depth: 0, value: type === "f32" ? Math.fround(value) : type === "u32" ? value >>> 0 : value | 0 };
}

export const read = (local: Local): Value => ({ op: "local", type: local.type, depth: local.depth, local });

const isConstant = (value: Value, is?: number): boolean => value.op === "constant" && (is === undefined || value.value === is);

/** Statements under construction: those of the innermost block, and what stands in front of each loop around it. */
export class Builder {
  /** Where statements go. */
  private body: Statement[] = [];
  /** In front of loop 0 (the function's own body), 1, …: definitions, and by key what is defined there already. */
  private readonly loops: { readonly before: Statement[]; readonly known: Map<string, Value> }[] = [];
  private readonly ids = new Map<Local, number>();

  get depth(): Depth {
    return this.loops.length;
  }

  add(statement: Statement): void {
    this.body.push(statement);
  }

  /** What `build` adds, as a list of its own. */
  collect(build: () => void): readonly Statement[] {
    const outside = this.body;
    this.body = [];
    build();
    const inside = this.body;
    this.body = outside;
    return inside;
  }

  /** One loop deeper: what does not change inside is added in front of the loop. */
  loop(build: () => Statement): void {
    const before: Statement[] = [];
    this.loops.push({ before, known: new Map() });
    const loop = build();
    this.loops.pop();
    this.body.push(...before, loop);
  }

  variable(type: Type, value: Value): Local {
    const local: Local = { type, depth: CHANGES, meaning: null };
    this.add({ do: "set", local, value });
    return local;
  }

  /** A name for a value as it is now. Constants and names are names already; of indices each has its own. */
  name(value: Value): Value {
    if (value.op === "constant" || (value.op === "local" && value.depth !== CHANGES)) return value;
    if (value.op === "splat" || (value.op === "vector" && isTuple(value))) {
      return this.make(value.op, value.type, ...value.values.map((v) => this.name(v)));
    }
    const local: Local = { type: value.type, depth: this.depth, meaning: value.depth === CHANGES ? null : value };
    this.add({ do: "set", local, value });
    return read(local);
  }

  /** An operation on values that have the types it wants. */
  make(op: Operation, type: Type, ...values: readonly Value[]): Value {
    const folded = fold(op, type, values);
    if (folded !== null) return folded;
    const total = (op === "/" || op === "%") && scalarOf(type) !== "f32" ? [values[0]!, this.divisor(values[0]!, values[1]!)] : values;
    return this.outside({ op, type, values: total, depth: Math.max(...total.map((v) => v.depth)) });
  }

  /** WGSL divides by 1 where the divisor is 0, or the result is more than an i32 holds; WebAssembly would stop. */
  private divisor(dividend: Value, value: Value): Value {
    const { type } = value;
    if (value.op === "constant" && value.value !== 0 && value.value !== -1) return value;
    const is = (v: Value, number: number): Value => this.make("==", "bool", v, constant(type, number));
    if (type !== "i32") return this.make("|", type, value, this.make("convert", type, is(value, 0)));
    const overflows = this.make("&&", "bool", is(dividend, -(2 ** 31)), is(value, -1));
    return this.make("select", type, value, constant(type, 1), this.make("||", "bool", is(value, 0), overflows));
  }

  lane(of: Value, lane: number): Value {
    if (of.op === "splat") return of.values[0]!;
    if (of.op === "vector") return of.values[lane]!;
    return this.outside({ op: "lane", type: scalarOf(of.type), depth: of.depth, of, lane });
  }

  vector(type: Type, values: readonly Value[]): Value {
    return this.make("vector", type, ...values);
  }

  splat(type: Type, value: Value): Value {
    return this.make("splat", type, value);
  }

  load(memory: Memory, index: Value): Value {
    const { address, offset } = this.address(memory, index);
    return { op: "load", type: memory.element, depth: CHANGES, address, offset, written: memory.written };
  }

  /** A word that never changes while the kernel runs. */
  loadOnce(address: Value, offset: number): Value {
    return this.outside({ op: "load", type: "u32", depth: 0, address, offset, written: false });
  }

  store(memory: Memory, index: Value, value: Value): void {
    this.add({ do: "store", ...this.address(memory, index), value });
  }

  /**
   * base + Σ terms: those that change least are added first, so that their sum stands in front of the loop, and what is constant becomes
   * the instruction's own offset.
   */
  private address(memory: Memory, index: Value): { readonly address: Value; readonly offset: number } {
    const { terms, fixed } = termsOf(index);
    const size = bytesOf(memory.element);
    const sorted = terms.toSorted((a, b) => a.value.depth - b.value.depth);
    const address = sorted.reduce((sum, { value, times }) => this.make("+", "u32", sum, this.scaled(value, times * size)), memory.base);
    const offset = memory.offset + fixed * size;
    if (offset >= 0 && offset < 2 ** 31 && terms.every(({ times }) => times > 0)) return { address, offset };
    return { address: this.make("+", "u32", address, constant("u32", offset)), offset: 0 }; // the instruction's offset does not wrap around
  }

  private scaled(value: Value, times: number): Value {
    const shift = Math.log2(times);
    if (Number.isInteger(shift)) return this.make("<<", "u32", value, constant("u32", shift));
    return this.make("*", "u32", value, constant("u32", times));
  }

  /** The value by a name in front of the outermost loop inside which it does not change; itself, if that is no loop. */
  private outside(value: Value): Value {
    const loop = this.loops[value.depth];
    if (loop === undefined || isImmediate(value) || isTuple(value)) return value;
    const key = this.keyOf(value);
    const known = loop.known.get(key);
    if (known !== undefined) return known;
    const local: Local = { type: value.type, depth: value.depth, meaning: value };
    loop.before.push({ do: "set", local, value });
    loop.known.set(key, read(local));
    return read(local);
  }

  private keyOf(value: Value): string {
    switch (value.op) {
      case "constant": return `${value.value}${value.type}${Object.is(value.value, -0) ? "-" : ""}`;
      case "local": return `#${this.idOf(value.local)}`;
      case "load": return `load(${this.keyOf(value.address)},${value.offset})`;
      case "lane": return `lane${value.lane}(${this.keyOf(value.of)})`;
      default: return `${value.op}:${value.type}(${value.values.map((v) => this.keyOf(v)).join()})`;
    }
  }

  private idOf(local: Local): number {
    const id = this.ids.get(local) ?? this.ids.size;
    this.ids.set(local, id);
    return id;
  }
}

/** What an instruction holds itself. */
const isImmediate = (value: Value): boolean =>
  (value.op === "splat" || value.op === "vector") && value.values.every((v) => v.op === "constant");

/** Indices side by side, which nobody reads as a whole. */
const isTuple = (value: Value): boolean => value.op === "vector" && scalarOf(value.type) === "u32";

/** An integer sum as Σ times · value + fixed; through names, as far as these are sums and products with constants. */
function termsOf(index: Value): { readonly terms: readonly { readonly value: Value; readonly times: number }[]; readonly fixed: number } {
  const terms: { value: Value; times: number }[] = [];
  let fixed = 0;
  const visit = (value: Value, times: number): void => {
    const sum = value.op === "local" && value.local.meaning !== null && isSum(value.local.meaning) ? value.local.meaning : value;
    if (sum.op === "constant") fixed += times * sum.value;
    else if (sum.op === "+" || sum.op === "-") {
      visit(sum.values[0]!, times);
      visit(sum.values[1]!, sum.op === "+" ? times : -times);
    } else if (sum.op === "*" && isConstant(sum.values[1]!)) visit(sum.values[0]!, times * (sum.values[1] as { value: number }).value);
    else if (sum.op === "*" && isConstant(sum.values[0]!)) visit(sum.values[1]!, times * (sum.values[0] as { value: number }).value);
    else terms.push({ value: sum, times });
  };
  visit(index, 1);
  return { terms, fixed };
}

const isSum = (value: Value): boolean =>
  value.op === "+" || value.op === "-" || (value.op === "*" && value.values.some((v) => isConstant(v)));

/** What needs no instruction; null for all else. Numbers that are not integers are left to the machine. */
function fold(op: Operation, type: Type, [a, b]: readonly Value[]): Value | null {
  if (a === undefined || b === undefined || (a.type !== "u32" && a.type !== "i32" && a.type !== "bool")) return null;
  if (a.op === "constant" && b.op === "constant") {
    const known = FOLDED[op]?.(a.value, b.value);
    return known === undefined ? null : constant(type, known);
  }
  if (isConstant(b, 0) && ["+", "-", "<<", ">>", "|", "^"].includes(op)) return a;
  if (isConstant(a, 0) && ["+", "|", "^"].includes(op)) return b;
  if (isConstant(b, 1) && (op === "*" || op === "/")) return a;
  if (isConstant(a, 1) && op === "*") return b;
  if (op === "*" && (isConstant(a, 0) || isConstant(b, 0))) return constant(type, 0);
  if (op === "&&") return isConstant(a, 1) ? b : isConstant(b, 1) ? a : null;
  return null;
}

const FOLDED: Partial<Readonly<Record<Operation, (a: number, b: number) => number | undefined>>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => Math.imul(a, b),
  "/": (a, b) => (b === 0 ? undefined : Math.trunc(a / b)),
  "<<": (a, b) => a << b,
  "<": (a, b) => Number(a < b),
  "==": (a, b) => Number(a === b),
  "min": Math.min,
  "max": Math.max,
};
