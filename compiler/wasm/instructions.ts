/**
 * Opcodes of WebAssembly with SIMD (webassembly.github.io/spec/core/binary/instructions.html). Numbers from 0x100 on stand behind the
 * prefix 0xfd.
 */
import type { Operation } from "./ir.ts";
import { isVector, scalarOf, type Scalar, type Type } from "./types.ts";

const F32 = 0x7d;
export const I32 = 0x7f;
export const V128 = 0x7b;
export const EMPTY = 0x40;

/** How WebAssembly holds a value. */
export const valueType = (type: Type): number => (isVector(type) ? V128 : type === "f32" ? F32 : I32);

const simd = (opcode: number): number => 0x100 + opcode;

export const CODE = {
  block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, brIf: 0x0d, select: 0x1b, get: 0x20, set: 0x21, tee: 0x22,
  i32Load: 0x28, f32Load: 0x2a, i32Store: 0x36, f32Store: 0x38, i32Const: 0x41, f32Const: 0x43, i32Eqz: 0x45, i32Sub: 0x6b, i32Xor: 0x73,
  reinterpretToI32: 0xbc, reinterpretToF32: 0xbe,
  v128Load: simd(0x00), v128LoadSplat: simd(0x09), v128LoadTwo: simd(0x5d), v128Store: simd(0x0b), v128StoreTwo: simd(0x5b),
  v128Const: simd(0x0c), shuffle: simd(0x0d), i32x4Splat: simd(0x11), f32x4Splat: simd(0x13),
  i32x4Lane: simd(0x1b), f32x4Lane: simd(0x1f), i32x4Replace: simd(0x1c), f32x4Replace: simd(0x20),
  v128And: simd(0x4e), bitselect: simd(0x52), anyTrue: simd(0x53), f32x4Add: simd(0xe4), f32x4Mul: simd(0xe6),
} as const;

type Opcodes = Partial<Readonly<Record<Operation, number>>>;

const F32_CODES: Opcodes = {
  "+": 0x92, "-": 0x93, "*": 0x94, "/": 0x95, "==": 0x5b, "!=": 0x5c, "<": 0x5d, ">": 0x5e, "<=": 0x5f, ">=": 0x60,
  min: 0x96, max: 0x97, abs: 0x8b, negate: 0x8c, ceil: 0x8d, floor: 0x8e, trunc: 0x8f, round: 0x90, sqrt: 0x91,
};
const INTEGER_CODES: Opcodes = { "+": 0x6a, "-": 0x6b, "*": 0x6c, "&": 0x71, "|": 0x72, "^": 0x73, "<<": 0x74, "==": 0x46, "!=": 0x47 };
const U32_CODES: Opcodes = { ...INTEGER_CODES, "/": 0x6e, "%": 0x70, ">>": 0x76, "<": 0x49, ">": 0x4b, "<=": 0x4d, ">=": 0x4f };
const I32_CODES: Opcodes = { ...INTEGER_CODES, "/": 0x6d, "%": 0x6f, ">>": 0x75, "<": 0x48, ">": 0x4a, "<=": 0x4c, ">=": 0x4e };
const BOOL_CODES: Opcodes = { "&&": 0x71, "||": 0x72, "&": 0x71, "|": 0x72, "==": 0x46, "!=": 0x47, not: 0x45 };

/** min and max keep what is not a number in the first place, as in relu. */
const F32X4_CODES: Opcodes = {
  "+": simd(0xe4), "-": simd(0xe5), "*": simd(0xe6), "/": simd(0xe7), "==": simd(0x41), "!=": simd(0x42), "<": simd(0x43), ">": simd(0x44),
  "<=": simd(0x45), ">=": simd(0x46), min: simd(0xea), max: simd(0xeb), abs: simd(0xe0), negate: simd(0xe1), sqrt: simd(0xe3),
  ceil: simd(0x67), floor: simd(0x68), trunc: simd(0x69), round: simd(0x6a),
};
const INTEGER_X4_CODES: Opcodes = {
  "+": simd(0xae), "-": simd(0xb1), "*": simd(0xb5), "&": simd(0x4e), "|": simd(0x50), "^": simd(0x51), "<<": simd(0xab),
  "==": simd(0x37), "!=": simd(0x38), negate: simd(0xa1), complement: simd(0x4d),
};
const U32X4_CODES: Opcodes = {
  ...INTEGER_X4_CODES, ">>": simd(0xad), "<": simd(0x3a), ">": simd(0x3c), "<=": simd(0x3e), ">=": simd(0x40),
  min: simd(0xb7), max: simd(0xb9),
};
const I32X4_CODES: Opcodes = {
  ...INTEGER_X4_CODES, ">>": simd(0xac), "<": simd(0x39), ">": simd(0x3b), "<=": simd(0x3d), ">=": simd(0x3f),
  min: simd(0xb6), max: simd(0xb8), abs: simd(0xa0),
};
const BOOLX4_CODES: Opcodes = { "&": simd(0x4e), "|": simd(0x50), not: simd(0x4d), "==": simd(0x37), "!=": simd(0x38) };

const SCALAR: Readonly<Record<Scalar, Opcodes>> = { f32: F32_CODES, u32: U32_CODES, i32: I32_CODES, bool: BOOL_CODES };
const VECTOR: Readonly<Record<Scalar, Opcodes>> = { f32: F32X4_CODES, u32: U32X4_CODES, i32: I32X4_CODES, bool: BOOLX4_CODES };

/** The one instruction for an operation on arguments of a type; undefined where it takes several. */
export const opcodeOf = (op: Operation, type: Type): number | undefined => (isVector(type) ? VECTOR : SCALAR)[scalarOf(type)][op];

const TO_F32 = { u32: 0xb3, i32: 0xb2, bool: 0xb2 };

/** Between types of numbers; [] where the bits stay. Numbers outside of the other type's range become its nearest. */
export function conversion(from: Type, to: Type): readonly number[] {
  const [a, b] = [scalarOf(from), scalarOf(to)];
  if (a === b) return [];
  if (isVector(from)) return b === "f32" ? [simd(a === "u32" ? 0xfb : 0xfa)] : a === "f32" ? [simd(b === "u32" ? 0xf9 : 0xf8)] : [];
  if (b === "f32") return [TO_F32[a as keyof typeof TO_F32]];
  if (b === "bool") return [CODE.i32Eqz, CODE.i32Eqz];
  return a === "f32" ? [0xfc, b === "u32" ? 1 : 0] : [];
}
