/** Intermediate form → the bytes of a function. */
import { bug } from "../ir/tensor-type.ts";
import { f32Bytes, joined, signed, u32Bytes, unsigned, vector } from "./binary.ts";
import { CODE, conversion, EMPTY, I32, opcodeOf, V128, valueType } from "./instructions.ts";
import type { KernelCode, Label, Local, Statement, Value } from "./ir.ts";
import { isVector, scalarOf, widthOf, type Type } from "./types.ts";
import { loads, usesOf } from "./uses.ts";

type Load = Extract<Value, { readonly op: "load" }>;
type Lane = Extract<Value, { readonly op: "lane" }>;
type Operated = Extract<Value, { readonly values: readonly Value[] }>;

/** A function's locals and code, with their length in front. */
export function functionBytes(kernel: KernelCode): Uint8Array {
  const bytes: number[] = [];
  const types: number[] = kernel.parameters.map((p) => valueType(p.type));
  const indices = new Map<Local, number>(kernel.parameters.map((p, i) => [p, i]));
  const labels: (Label | null)[] = [];
  const temporaries = new Map<string, number>();
  const uses = usesOf(kernel);

  const put = (...codes: readonly number[]): void => {
    for (const code of codes) {
      if (code < 0x100) bytes.push(code);
      else bytes.push(0xfd, ...unsigned(code - 0x100));
    }
  };
  const raw = (more: readonly number[]): void => { for (const byte of more) bytes.push(byte); };
  const integer = (value: number): void => { put(CODE.i32Const); raw(signed(value)); };
  const local = (code: number, index: number): void => { put(code); raw(unsigned(index)); };
  const newLocal = (type: number): number => types.push(type) - 1;
  const temporary = (type: number, name: string): number => {
    const index = temporaries.get(name) ?? newLocal(type);
    temporaries.set(name, index);
    return index;
  };
  const indexOf = (of: Local): number => indices.get(of) ?? bug("a name before its definition");
  /** @param align its logarithm */
  const memory = (code: number, align: number, offset: number): void => { put(code, align); raw(unsigned(offset)); };
  const shuffle = (...lanes: readonly number[]): void => {
    put(CODE.shuffle);
    raw(lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]));
  };
  const nest = (label: Label | null, inside: () => void): void => {
    labels.push(label);
    inside();
    labels.pop();
    put(CODE.end);
  };

  const emit = (value: Value): void => {
    switch (value.op) {
      case "constant": return value.type === "f32" ? (put(CODE.f32Const), raw(f32Bytes(value.value))) : integer(value.value);
      case "local": return local(CODE.get, indexOf(value.local));
      case "load": return load(value);
      case "lane": return lane(value.of, value.lane, value.type);
      default: return operate(value);
    }
  };
  const load = ({ address, offset, type }: Load): void => {
    emit(address);
    if (!isVector(type)) memory(type === "f32" ? CODE.f32Load : CODE.i32Load, 2, offset);
    else if (widthOf(type) === 2) memory(CODE.v128LoadTwo, 3, offset);
    else memory(CODE.v128Load, 4, offset);
  };
  /** Where a number of a vector stands in memory, if it need not be loaded with the others. */
  const place = (of: Value): { readonly address: () => void; readonly offset: number } | null => {
    if (of.op === "load") return { address: () => emit(of.address), offset: of.offset };
    if (of.op !== "local" || !uses.isAddress(of.local)) return null;
    return { address: () => local(CODE.get, indexOf(of.local)), offset: offsets.get(of.local)! };
  };
  const offsets = new Map<Local, number>();
  const lane = (of: Value, index: number, type: Type): void => {
    const at = place(of);
    if (at !== null) {
      at.address();
      return memory(type === "f32" ? CODE.f32Load : CODE.i32Load, 2, at.offset + 4 * index);
    }
    emit(of);
    put(type === "f32" ? CODE.f32x4Lane : CODE.i32x4Lane, index);
    if (type === "bool") put(CODE.i32Eqz, CODE.i32Eqz);
  };

  const operate = (value: Operated): void => {
    const { op, type, values } = value;
    const [a, b] = values as readonly [Value, Value];
    switch (op) {
      case "splat": return splat(a, type);
      case "vector": return build(values, type);
      case "select": return select(value);
      case "convert":
        emit(a);
        return conversionOf(a.type, type);
      case "bitcast":
        emit(a);
        if (!isVector(type) && (a.type === "f32") !== (type === "f32")) put(type === "f32" ? CODE.reinterpretToF32 : CODE.reinterpretToI32);
        return;
      case "dot": return dot(a, b);
      case "any": return any(a);
      case "&&": case "||": if (loads(b)) return shortCircuit(op, a, b); break;
      case "<<": case ">>": if (isVector(type)) return shift(value); break;
      case "min": case "max": if (scalarOf(type) !== "f32" && !isVector(type)) return extreme(op, a, b); break;
      case "negate": if (type === "i32" || type === "u32") { integer(0); emit(a); return put(CODE.i32Sub); } break;
      case "complement": if (!isVector(type)) { emit(a); integer(-1); return put(CODE.i32Xor); } break;
    }
    values.forEach(emit);
    put(opcodeOf(op, a.type) ?? bug(`${op} on ${a.type}`));
  };
  /** The codes behind 0xfc are two bytes as they are. */
  const conversionOf = (from: Type, to: Type): void => conversion(from, to).forEach((code) => put(code));
  const splat = (of: Value, type: Type): void => {
    const float = scalarOf(type) === "f32";
    if (of.op === "constant") {
      put(CODE.v128Const);
      const word = float ? f32Bytes(of.value) : u32Bytes(type.endsWith("b") ? -of.value : of.value);
      return raw([...word, ...word, ...word, ...word]);
    }
    const at = of.op === "lane" && of.type !== "bool" ? place(of.of) : of.op === "load" ? place(of) : null;
    if (at !== null) {
      at.address();
      return memory(CODE.v128LoadSplat, 2, at.offset + (of.op === "lane" ? 4 * of.lane : 0));
    }
    if (of.op === "lane" && of.type !== "bool") {
      const whole = temporary(V128, "splat");
      emit(of.of);
      local(CODE.tee, whole);
      local(CODE.get, whole);
      return shuffle(of.lane, of.lane, of.lane, of.lane);
    }
    if (of.type === "bool") integer(0);
    emit(of);
    if (of.type === "bool") put(CODE.i32Sub);
    put(float ? CODE.f32x4Splat : CODE.i32x4Splat);
  };
  const build = (values: readonly Value[], type: Type): void => {
    const float = scalarOf(type) === "f32";
    if (values.every((v) => v.op === "constant")) {
      put(CODE.v128Const);
      return raw([0, 1, 2, 3].flatMap((i) => (float ? f32Bytes : u32Bytes)(values[i]?.value ?? 0)));
    }
    if (values.length === 4 && values.every((v): v is Operated => v.op === "dot")) return dots(values);
    if (values.length === 4 && isColumn(values)) return column(values);
    emit(values[0]!);
    put(float ? CODE.f32x4Splat : CODE.i32x4Splat);
    values.slice(1).forEach((v, i) => {
      emit(v);
      put(float ? CODE.f32x4Replace : CODE.i32x4Replace, i + 1);
    });
  };
  /** The same number of four vectors that stand whole in registers. */
  const isColumn = (values: readonly Value[]): values is readonly Lane[] =>
    values.every((v) => v.op === "lane" && v.of.op === "local" && !uses.isAddress(v.of.local) && v.lane === (values[0] as Lane).lane);
  /** Pairs first: the four columns of four rows share their pairs. */
  const column = (values: readonly Lane[]): void => {
    const [a, b, c, d] = values.map((v) => v.of) as [Value, Value, Value, Value];
    const index = values[0]!.lane;
    const pair = (x: Value, y: Value): void => {
      emit(x);
      emit(y);
      shuffle(...(index < 2 ? [0, 4, 1, 5] : [2, 6, 3, 7]));
    };
    pair(a, b);
    pair(c, d);
    shuffle(...(index % 2 === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7]));
  };
  /** (x + z) + (y + w) of the four products. */
  const dot = (a: Value, b: Value): void => {
    const sum = temporary(V128, "dot");
    emit(a);
    emit(b);
    put(CODE.f32x4Mul);
    for (const lanes of [[2, 3, 0, 1], [1, 0, 3, 2]]) {
      local(CODE.tee, sum);
      local(CODE.get, sum);
      local(CODE.get, sum);
      shuffle(...lanes);
      put(CODE.f32x4Add);
    }
    put(CODE.f32x4Lane, 0);
  };
  /** Four dot products at once, each summed in the same order as one alone. */
  const dots = (values: readonly Operated[]): void => {
    const products = values.map((_, i) => temporary(V128, `product ${i}`));
    values.forEach(({ values: [a, b] }, i) => {
      emit(a!);
      emit(b!);
      put(CODE.f32x4Mul);
      local(CODE.set, products[i]!);
    });
    const half = (x: number, y: number, into: number): void => {
      for (const lanes of [[0, 4, 1, 5], [2, 6, 3, 7]]) {
        local(CODE.get, x);
        local(CODE.get, y);
        shuffle(...lanes);
      }
      put(CODE.f32x4Add);
      local(CODE.set, into);
    };
    const [low, high] = [temporary(V128, "low"), temporary(V128, "high")];
    half(products[0]!, products[1]!, low);
    half(products[2]!, products[3]!, high);
    for (const lanes of [[0, 1, 4, 5], [2, 3, 6, 7]]) {
      local(CODE.get, low);
      local(CODE.get, high);
      shuffle(...lanes);
    }
    put(CODE.f32x4Add);
  };
  const any = (of: Value): void => {
    emit(of);
    if (widthOf(of.type) < 4) {
      put(CODE.v128Const);
      raw([0, 1, 2, 3].flatMap((i) => u32Bytes(i < widthOf(of.type) ? -1 : 0)));
      put(CODE.v128And);
    }
    put(CODE.anyTrue);
  };
  /** Both sides are computed, unless one is in memory that only the condition allows to look at. */
  const select = ({ type, values }: Operated): void => {
    const [no, yes, condition] = values as readonly [Value, Value, Value];
    if (!isVector(condition.type) && (loads(no) || loads(yes))) {
      emit(condition);
      put(CODE.if, valueType(type));
      labels.push(null);
      emit(yes);
      put(CODE.else);
      emit(no);
      labels.pop();
      return put(CODE.end);
    }
    emit(yes);
    emit(no);
    emit(condition);
    put(isVector(condition.type) ? CODE.bitselect : CODE.select);
  };
  const shortCircuit = (op: "&&" | "||", a: Value, b: Value): void => {
    emit(a);
    put(CODE.if, I32);
    if (op === "&&") emit(b);
    else integer(1);
    put(CODE.else);
    if (op === "&&") integer(0);
    else emit(b);
    put(CODE.end);
  };
  /** All numbers of a vector are shifted alike. */
  const shift = ({ op, type, values }: Operated): void => {
    const by = values[1]!.op === "local" ? values[1]!.local.meaning : values[1]!;
    if (by?.op !== "splat") return bug("numbers of a vector shifted by different amounts");
    emit(values[0]!);
    emit(by.values[0]!);
    put(opcodeOf(op, type)!);
  };
  const extreme = (op: "min" | "max", a: Value, b: Value): void => {
    const [x, y] = [temporary(I32, "x"), temporary(I32, "y")];
    emit(a);
    emit(b);
    local(CODE.set, y);
    local(CODE.set, x);
    for (const index of [x, y, x, y]) local(CODE.get, index);
    put(opcodeOf(op === "min" ? "<" : ">", a.type)!, CODE.select);
  };

  const statement = (s: Statement): void => {
    switch (s.do) {
      case "set": return set(s.local, s.value);
      case "store": {
        emit(s.address);
        emit(s.value);
        const { type } = s.value;
        if (!isVector(type)) return memory(type === "f32" ? CODE.f32Store : CODE.i32Store, 2, s.offset);
        if (widthOf(type) !== 2) return memory(CODE.v128Store, 4, s.offset);
        memory(CODE.v128StoreTwo, 3, s.offset);
        return put(0);
      }
      case "if":
        emit(s.condition);
        put(CODE.if, EMPTY);
        return nest(null, () => {
          s.then.forEach(statement);
          if (s.otherwise.length > 0) put(CODE.else);
          s.otherwise.forEach(statement);
        });
      case "loop":
        emit(s.condition);
        put(CODE.if, EMPTY);
        return nest(null, () => {
          put(CODE.loop, EMPTY);
          nest(null, () => {
            s.body.forEach(statement);
            s.step.forEach(statement);
            emit(s.condition);
            put(CODE.brIf, 0);
          });
        });
      case "block":
        put(CODE.block, EMPTY);
        return nest(s.label, () => s.body.forEach(statement));
      case "exit":
        put(CODE.br);
        return raw(unsigned(labels.length - 1 - labels.lastIndexOf(s.label)));
    }
  };
  const set = (of: Local, value: Value): void => {
    if (uses.isDead(of)) return;
    if (uses.isAddress(of)) {
      const { address, offset } = value as Load;
      offsets.set(of, offset);
      indices.set(of, newLocal(I32));
      emit(address);
      return local(CODE.set, indexOf(of));
    }
    emit(value);
    if (!indices.has(of)) indices.set(of, newLocal(valueType(of.type)));
    local(CODE.set, indexOf(of));
  };

  kernel.body.forEach(statement);
  put(CODE.end);
  const locals = vector(types.slice(kernel.parameters.length).map((type) => [1, type]));
  return joined([unsigned(locals.length + bytes.length), locals, bytes]);
}

