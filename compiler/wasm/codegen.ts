/** Intermediate form → the bytes of a function. */
import { bug } from "../ir/tensor-type.ts";
import { f32Bytes, u32Bytes, unsigned } from "./binary.ts";
import { CODE, conversion, EMPTY, I32, opcodeOf, V128, valueType } from "./instructions.ts";
import type { KernelCode, Local, Statement, Value } from "./ir.ts";
import { isVector, scalarOf, widthOf, type Type } from "./types.ts";
import { isColumn, loads, usesOf, type Lane, type Uses } from "./uses.ts";
import { Writer } from "./writer.ts";

type Load = Extract<Value, { readonly op: "load" }>;
type Operated = Extract<Value, { readonly values: readonly Value[] }>;

/** A function's locals and code, with their length in front. */
export function functionBytes(kernel: KernelCode): Uint8Array {
  return new Codegen(kernel).function();
}

class Codegen extends Writer {
  private readonly kernel: KernelCode;
  private readonly uses: Uses;
  /** Numbers of the function's locals. */
  private readonly indices: Map<Local, number>;
  /** Of names that stand for the address of a vector. */
  private readonly offsets = new Map<Local, number>();

  constructor(kernel: KernelCode) {
    super(kernel.parameters.map((p) => valueType(p.type)));
    this.kernel = kernel;
    this.uses = usesOf(kernel);
    this.indices = new Map(kernel.parameters.map((p, i) => [p, i]));
  }

  function(): Uint8Array {
    this.kernel.body.forEach((each) => this.statement(each));
    return this.finish();
  }

  private indexOf(of: Local): number {
    return this.indices.get(of) ?? bug("a name before its definition");
  }

  private emit(value: Value): void {
    switch (value.op) {
      case "constant": return value.type === "f32" ? this.float(value.value) : this.integer(value.value);
      case "local": return this.local(CODE.get, this.indexOf(value.local));
      case "load": return this.load(value);
      case "lane": return this.lane(value.of, value.lane, value.type);
      default: return this.operate(value);
    }
  }

  private load({ address, offset, type }: Load): void {
    this.emit(address);
    if (!isVector(type)) this.memory(type === "f32" ? CODE.f32Load : CODE.i32Load, 2, offset);
    else if (widthOf(type) === 2) this.memory(CODE.v128LoadTwo, 3, offset);
    else this.memory(CODE.v128Load, 4, offset);
  }

  /** Where a number of a vector stands in memory, if it need not be loaded with the others. */
  private place(of: Value): { readonly address: () => void; readonly offset: number } | null {
    if (of.op === "load") return { address: () => this.emit(of.address), offset: of.offset };
    if (of.op !== "local" || !this.uses.isAddress(of.local)) return null;
    return { address: () => this.local(CODE.get, this.indexOf(of.local)), offset: this.offsets.get(of.local)! };
  }

  private lane(of: Value, index: number, type: Type): void {
    const at = this.place(of);
    if (at !== null) {
      at.address();
      return this.memory(type === "f32" ? CODE.f32Load : CODE.i32Load, 2, at.offset + 4 * index);
    }
    this.emit(of);
    this.put(type === "f32" ? CODE.f32x4Lane : CODE.i32x4Lane, index);
    if (type === "bool") this.put(CODE.i32Eqz, CODE.i32Eqz);
  }

  private operate(value: Operated): void {
    const { op, type, values } = value;
    const [a, b] = values as readonly [Value, Value];
    switch (op) {
      case "splat": return this.splat(a, type);
      case "vector": return this.build(values, type);
      case "select": return this.select(value);
      case "convert":
        this.emit(a);
        return this.conversionOf(a.type, type);
      case "bitcast":
        this.emit(a);
        if (isVector(type) || (a.type === "f32") === (type === "f32")) return;
        return this.put(type === "f32" ? CODE.reinterpretToF32 : CODE.reinterpretToI32);
      case "dot": return this.dot(a, b);
      case "any": return this.any(a);
      case "&&": case "||": if (loads(b)) return this.shortCircuit(op, a, b); break;
      case "<<": case ">>": if (isVector(type)) return this.shift(value); break;
      case "min": case "max": if (scalarOf(type) !== "f32" && !isVector(type)) return this.extreme(op, a, b); break;
      case "negate": if (type === "i32" || type === "u32") { this.integer(0); this.emit(a); return this.put(CODE.i32Sub); } break;
      case "complement": if (!isVector(type)) { this.emit(a); this.integer(-1); return this.put(CODE.i32Xor); } break;
    }
    values.forEach((v) => this.emit(v));
    this.put(opcodeOf(op, a.type) ?? bug(`${op} on ${a.type}`));
  }

  /** The codes behind 0xfc are two bytes as they are. */
  private conversionOf(from: Type, to: Type): void {
    this.put(...conversion(from, to));
  }

  private splat(of: Value, type: Type): void {
    const float = scalarOf(type) === "f32";
    if (of.op === "constant") {
      this.put(CODE.v128Const);
      const word = float ? f32Bytes(of.value) : u32Bytes(type.endsWith("b") ? -of.value : of.value);
      return this.raw([...word, ...word, ...word, ...word]);
    }
    const at = of.op === "lane" && of.type !== "bool" ? this.place(of.of) : of.op === "load" ? this.place(of) : null;
    if (at !== null) {
      at.address();
      return this.memory(CODE.v128LoadSplat, 2, at.offset + (of.op === "lane" ? 4 * of.lane : 0));
    }
    if (of.op === "lane" && of.type !== "bool") {
      const whole = this.temporary(V128, "splat");
      this.emit(of.of);
      this.local(CODE.tee, whole);
      this.local(CODE.get, whole);
      return this.shuffle(of.lane, of.lane, of.lane, of.lane);
    }
    if (of.type === "bool") this.integer(0);
    this.emit(of);
    if (of.type === "bool") this.put(CODE.i32Sub);
    this.put(float ? CODE.f32x4Splat : CODE.i32x4Splat);
  }

  private build(values: readonly Value[], type: Type): void {
    const float = scalarOf(type) === "f32";
    if (values.every((v) => v.op === "constant")) {
      this.put(CODE.v128Const);
      return this.raw([0, 1, 2, 3].flatMap((i) => (float ? f32Bytes : u32Bytes)(values[i]?.value ?? 0)));
    }
    if (values.length === 4 && values.every((v): v is Operated => v.op === "dot")) return this.dots(values);
    if (isColumn(values)) return this.column(values);
    this.emit(values[0]!);
    this.put(float ? CODE.f32x4Splat : CODE.i32x4Splat);
    values.slice(1).forEach((v, i) => {
      this.emit(v);
      this.put(float ? CODE.f32x4Replace : CODE.i32x4Replace, i + 1);
    });
  }

  /** Pairs first: the four columns of four rows share their pairs. */
  private column(values: readonly Lane[]): void {
    const [a, b, c, d] = values.map((v) => v.of) as [Value, Value, Value, Value];
    const index = values[0]!.lane;
    const pair = (x: Value, y: Value): void => {
      this.emit(x);
      this.emit(y);
      this.shuffle(...(index < 2 ? [0, 4, 1, 5] : [2, 6, 3, 7]));
    };
    pair(a, b);
    pair(c, d);
    this.shuffle(...(index % 2 === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7]));
  }

  /** (x + z) + (y + w) of the four products. */
  private dot(a: Value, b: Value): void {
    const sum = this.temporary(V128, "dot");
    this.emit(a);
    this.emit(b);
    this.put(CODE.f32x4Mul);
    this.blank(a.type);
    for (const lanes of [[2, 3, 0, 1], [1, 0, 3, 2]]) {
      this.local(CODE.tee, sum);
      this.local(CODE.get, sum);
      this.local(CODE.get, sum);
      this.shuffle(...lanes);
      this.put(CODE.f32x4Add);
    }
    this.put(CODE.f32x4Lane, 0);
  }

  /** Four dot products at once, each summed in the same order as one alone. */
  private dots(values: readonly Operated[]): void {
    const products = values.map((_, i) => this.temporary(V128, `product ${i}`));
    values.forEach(({ values: [a, b] }, i) => {
      this.emit(a!);
      this.emit(b!);
      this.put(CODE.f32x4Mul);
      this.blank(a!.type);
      this.local(CODE.set, products[i]!);
    });
    const half = (x: number, y: number, into: number): void => {
      for (const lanes of [[0, 4, 1, 5], [2, 6, 3, 7]]) {
        this.local(CODE.get, x);
        this.local(CODE.get, y);
        this.shuffle(...lanes);
      }
      this.put(CODE.f32x4Add);
      this.local(CODE.set, into);
    };
    const [low, high] = [this.temporary(V128, "low"), this.temporary(V128, "high")];
    half(products[0]!, products[1]!, low);
    half(products[2]!, products[3]!, high);
    for (const lanes of [[0, 1, 4, 5], [2, 3, 6, 7]]) {
      this.local(CODE.get, low);
      this.local(CODE.get, high);
      this.shuffle(...lanes);
    }
    this.put(CODE.f32x4Add);
  }

  private any(of: Value): void {
    this.emit(of);
    this.blank(of.type);
    this.put(CODE.anyTrue);
  }

  /** Zeros in the places behind a vector of fewer than four. */
  private blank(type: Type): void {
    if (widthOf(type) === 4) return;
    this.put(CODE.v128Const);
    this.raw([0, 1, 2, 3].flatMap((i) => u32Bytes(i < widthOf(type) ? -1 : 0)));
    this.put(CODE.v128And);
  }

  /** Both sides are computed, unless one is in memory that only the condition allows to look at. */
  private select({ type, values }: Operated): void {
    const [no, yes, condition] = values as readonly [Value, Value, Value];
    if (!isVector(condition.type) && (loads(no) || loads(yes))) {
      this.emit(condition);
      this.put(CODE.if, valueType(type));
      this.labels.push(null);
      this.emit(yes);
      this.put(CODE.else);
      this.emit(no);
      this.labels.pop();
      return this.put(CODE.end);
    }
    this.emit(yes);
    this.emit(no);
    this.emit(condition);
    this.put(isVector(condition.type) ? CODE.bitselect : CODE.select);
  }

  private shortCircuit(op: "&&" | "||", a: Value, b: Value): void {
    this.emit(a);
    this.put(CODE.if, I32);
    if (op === "&&") this.emit(b);
    else this.integer(1);
    this.put(CODE.else);
    if (op === "&&") this.integer(0);
    else this.emit(b);
    this.put(CODE.end);
  }

  /** All numbers of a vector are shifted alike. */
  private shift({ op, type, values }: Operated): void {
    const by = values[1]!.op === "local" ? values[1]!.local.meaning : values[1]!;
    if (by?.op !== "splat") return bug("numbers of a vector shifted by different amounts");
    this.emit(values[0]!);
    this.emit(by.values[0]!);
    this.put(opcodeOf(op, type)!);
  }

  private extreme(op: "min" | "max", a: Value, b: Value): void {
    const [x, y] = [this.temporary(I32, "x"), this.temporary(I32, "y")];
    this.emit(a);
    this.emit(b);
    this.local(CODE.set, y);
    this.local(CODE.set, x);
    for (const index of [x, y, x, y]) this.local(CODE.get, index);
    this.put(opcodeOf(op === "min" ? "<" : ">", a.type)!, CODE.select);
  }

  private statement(s: Statement): void {
    switch (s.do) {
      case "set": return this.set(s.local, s.value);
      case "store": {
        this.emit(s.address);
        this.emit(s.value);
        const { type } = s.value;
        if (!isVector(type)) return this.memory(type === "f32" ? CODE.f32Store : CODE.i32Store, 2, s.offset);
        if (widthOf(type) !== 2) return this.memory(CODE.v128Store, 4, s.offset);
        this.memory(CODE.v128StoreTwo, 3, s.offset);
        return this.put(0);
      }
      case "if":
        this.emit(s.condition);
        this.put(CODE.if, EMPTY);
        return this.nest(null, () => {
          s.then.forEach((each) => this.statement(each));
          if (s.otherwise.length > 0) this.put(CODE.else);
          s.otherwise.forEach((each) => this.statement(each));
        });
      case "loop":
        this.emit(s.condition);
        this.put(CODE.if, EMPTY);
        return this.nest(null, () => {
          this.put(CODE.loop, EMPTY);
          this.nest(null, () => {
            s.body.forEach((each) => this.statement(each));
            s.step.forEach((each) => this.statement(each));
            this.emit(s.condition);
            this.put(CODE.brIf, 0);
          });
        });
      case "block":
        this.put(CODE.block, EMPTY);
        return this.nest(s.label, () => s.body.forEach((each) => this.statement(each)));
      case "exit":
        this.put(CODE.br);
        return this.raw(unsigned(this.labels.length - 1 - this.labels.lastIndexOf(s.label)));
    }
  }

  private set(of: Local, value: Value): void {
    if (this.uses.isDead(of)) return;
    if (this.uses.isAddress(of)) {
      const { address, offset } = value as Load;
      this.offsets.set(of, offset);
      this.indices.set(of, this.newLocal(I32));
      this.emit(address);
      return this.local(CODE.set, this.indexOf(of));
    }
    this.emit(value);
    if (!this.indices.has(of)) this.indices.set(of, this.newLocal(valueType(of.type)));
    this.local(CODE.set, this.indexOf(of));
  }
}
