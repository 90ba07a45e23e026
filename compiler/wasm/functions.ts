/**
 * Functions that WebAssembly has no instruction for, in WGSL themselves: for one number and for vectors with the same bits. Series and
 * splitting after Cephes (Moshier). Off by at most 2 units in the last place, over all of float32 (test/wasm-functions.test.ts).
 */
import { opcodeOf } from "./instructions.ts";
import type { Operation } from "./ir.ts";
import { parseWgsl } from "./parser.ts";
import type { FunctionSyntax } from "./syntax.ts";
import { scalarOf, vectorOf, widthOf, type Type } from "./types.ts";

/** c₀ + x·(c₁ + x·(…)), the last coefficient innermost. */
const horner = (x: string, type: Type, coefficients: readonly string[]): string =>
  coefficients.slice(0, -1).reduceRight((rest, c) => `(${type}(${c}) + ${x} * ${rest})`, `${type}(${coefficients.at(-1)!})`);

const EXP = ["0.5", "0.16666667", "4.1666165e-2", "8.3333455e-3", "1.3925291e-3", "1.9878738e-4"];
const LOG = ["3.3333331174e-1", "-2.4999993993e-1", "2.0000714765e-1", "-1.6668057665e-1", "1.4249322787e-1", "-1.2420140846e-1",
  "1.1676998740e-1", "-1.1514610310e-1", "7.0376836292e-2"];
const TANH = ["-3.33332819422e-1", "1.33314422036e-1", "-5.37397155531e-2", "2.06390887954e-2", "-5.70498872745e-3"];

/** @param f a type of float numbers  @param i integers in the same shape */
const TEXTS: Readonly<Record<string, (f: Type, i: Type, u: Type) => string>> = {
  // e^x = 2ⁿ e^r with n = round(x / ln 2); 2ⁿ in two factors, so that the greatest and the subnormal numbers come out
  exp: (f, i, u) => `
    fn exp(x: ${f}) -> ${f} {
      let y = min(max(x, ${f}(-104.0)), ${f}(89.0));
      let n = round(y * 1.44269504);
      let r = (y - n * 0.693359375) - n * -2.12194440e-4;
      let power = ${i}(n);
      let half = power >> ${u}(1u);
      let one = ${i}(127);
      let series = (r * r) * ${horner("r", f, EXP)} + r + 1.0;
      return (series * bitcast<${f}>((half + one) << ${u}(23u))) * bitcast<${f}>((power - half + one) << ${u}(23u));
    }`,
  // x = 2ᵉ m with m from √½ to √2; numbers below 2⁻¹²⁶ are multiplied by 2²³ first
  log: (f, i, u) => `
    fn log(x: ${f}) -> ${f} {
      let small = x < ${f}(1.17549435e-38);
      let bits = bitcast<${i}>(select(x, x * 8388608.0, small));
      let exponent = (bits - ${i}(0x3f3504f3)) >> ${u}(23u);
      let m = bitcast<${f}>(bits - (exponent << ${u}(23u))) - 1.0;
      let e = ${f}(exponent) - select(${f}(0.0), ${f}(23.0), small);
      let m2 = m * m;
      let series = m * m2 * ${horner("m", f, LOG)};
      let finite = (m + ((series + e * -2.12194440e-4) - 0.5 * m2)) + e * 0.693359375;
      let known = select(finite, x, x > ${f}(3.40282347e38));
      let at_zero = select(known, bitcast<${f}>(${u}(0xff800000u)), x == ${f}(0.0));
      return select(bitcast<${f}>(${u}(0x7fc00000u)), at_zero, x >= ${f}(0.0));
    }`,
  tanh: (f) => `
    fn tanh(x: ${f}) -> ${f} {
      let size = abs(x);
      let large = 1.0 - 2.0 / (exp(size * 2.0) + 1.0);
      let x2 = x * x;
      let small = x + x * x2 * ${horner("x2", f, TANH)};
      return select(select(-large, large, x >= ${f}(0.0)), small, size < ${f}(0.625));
    }`,
  sign: (f) => `
    fn sign(x: ${f}) -> ${f} { return select(select(${f}(0), ${f}(-1), x < ${f}(0)), ${f}(1), x > ${f}(0)); }`,
  inverseSqrt: (f) => `
    fn inverseSqrt(x: ${f}) -> ${f} { return 1.0 / sqrt(x); }`,
  // multiply, then add: two roundings, as both software adapters of WebGPU do it
  fma: (f) => `
    fn fma(x: ${f}, y: ${f}, z: ${f}) -> ${f} { return x * y + z; }`,
  // of what has an instruction for it, this is not asked for
  abs: (t) => `
    fn abs(x: ${t}) -> ${t} { return ${scalarOf(t) === "u32" ? "x" : "max(x, -x)"}; }`,
  clamp: (f) => `
    fn clamp(x: ${f}, low: ${f}, high: ${f}) -> ${f} { return min(max(x, low), high); }`,
};

const known = new Map<string, FunctionSyntax>();

/** The function of this name for arguments of a type; null if it is none of these, or one instruction. */
export function libraryFunction(name: string, type: Type): FunctionSyntax | null {
  if (!Object.hasOwn(TEXTS, name) || opcodeOf(name as Operation, type) !== undefined) return null;
  const key = `${name} ${type}`;
  const found = known.get(key) ?? parseWgsl(TEXTS[name]!(type, integers(type, "i32"), integers(type, "u32"))).functions[0]!;
  known.set(key, found);
  return found;
}

const integers = (type: Type, scalar: "i32" | "u32"): Type => vectorOf(scalarOf(type) === "f32" ? scalar : scalarOf(type), widthOf(type));
