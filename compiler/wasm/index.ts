/**
 * Kernels as one WebAssembly module, for adapters that are a CPU (docs/architecture.md, "Without a GPU").
 *
 *   imports  moeut.memory, shared
 *   exports  k0, k1, …: (sizes, scratch, first, end, b1, …, bn: i32) → (), one for each kernel in this order: byte addresses of the uniform
 *            block and of the thread's scratch, the workgroups to do (from first to below end), the byte address of each storage binding
 *            scratch_bytes: what the most demanding kernel needs of scratch
 */
import type { Kernel } from "../ir/plan.ts";
import { bug } from "../ir/tensor-type.ts";
import { joined, signed, sized, text, unsigned, vector } from "./binary.ts";
import { functionBytes } from "./codegen.ts";
import { CODE, I32 } from "./instructions.ts";
import type { KernelCode } from "./ir.ts";
import { lower } from "./lower.ts";
import { parseWgsl } from "./parser.ts";

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const MAX_PAGES = 65536;
const FUNCTION = 0;
const MEMORY = 2;
const GLOBAL = 3;
const SHARED_WITH_MAXIMUM = 3;

/** The module's bytes: the same for the same texts. What is outside of the subset is a bug of the compiler, with kernel and line. */
export function assemble(kernels: readonly Kernel[]): Uint8Array<ArrayBuffer> {
  const functions = kernels.map(compiled);
  const counts = [...new Set(functions.map(({ code }) => code.parameters.length))];
  const types = counts.map((n) => [0x60, ...vector(Array.from({ length: n }, () => [I32])), 0]);
  const scratchBytes = Math.max(0, ...functions.map(({ code }) => code.scratchBytes));
  const code = joined([unsigned(functions.length), ...functions.map(({ bytes }) => bytes)]);
  return joined([
    HEADER,
    section(1, vector(types)),
    section(2, vector([[...text("moeut"), ...text("memory"), MEMORY!, SHARED_WITH_MAXIMUM, ...unsigned(1), ...unsigned(MAX_PAGES)]])),
    section(3, vector(functions.map(({ code }) => unsigned(counts.indexOf(code.parameters.length))))),
    section(6, vector([[I32, 0, CODE.i32Const, ...signed(scratchBytes), CODE.end]])),
    section(7, vector([...kernels.map((_, i) => [...text(`k${i}`), FUNCTION, ...unsigned(i)]), [...text("scratch_bytes"), GLOBAL, 0]])),
    section(10, code),
    section(0, [...text("name"), ...names(kernels)]),
  ]);
}

interface Compiled {
  readonly code: KernelCode;
  readonly bytes: Uint8Array;
}

/** By text: models that are compared have most of their kernels in common. */
const known = new Map<string, Compiled>();

function compiled({ name, wgsl }: Kernel): Compiled {
  try {
    const kernel = known.get(wgsl) ?? translated(wgsl);
    known.set(wgsl, kernel);
    return kernel;
  } catch (error) {
    return bug(`${name}.wgsl:${(error as Error).message}`);
  }
}

function translated(wgsl: string): Compiled {
  const code = lower(parseWgsl(wgsl));
  return { code, bytes: functionBytes(code) };
}

const section = (id: number, content: ArrayLike<number>): Uint8Array => joined([[id, ...unsigned(content.length)], content]);

/** Functions by the names of their kernels, for stack traces and profilers. */
const names = (kernels: readonly Kernel[]): readonly number[] =>
  [1, ...sized(vector(kernels.map(({ name }, i) => [...unsigned(i), ...text(name)])))];
