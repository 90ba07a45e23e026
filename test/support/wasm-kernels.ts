/** Kernels written by hand as WebAssembly, with the interface that compiler/wasm gives them: what an executor needs to be tried out. */

const I32 = 0x7f;
const VOID = 0x40;

/** Unsigned LEB128; constants are given as unsigned too. */
function unsigned(n: number): readonly number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)];
}
function signed(n: number): readonly number[] {
  const isLast = n >= -64 && n < 64;
  return isLast ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)];
}
const name = (text: string): readonly number[] => [...unsigned(text.length), ...new TextEncoder().encode(text)];
const vector = (items: readonly (readonly number[])[]): readonly number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, items: readonly (readonly number[])[]): readonly number[] => {
  const bytes = vector(items);
  return [id, ...unsigned(bytes.length), ...bytes];
};

/** Bytes that leave one i32 on the stack. */
export type Value = readonly number[];
const local = (i: number): Value => [0x20, ...unsigned(i)];
export const constant = (n: number): Value => [0x41, ...signed(n | 0)];
export const load = (address: Value, offset = 0): Value => [...address, 0x28, 2, ...unsigned(offset)];
export const add = (a: Value, b: Value): Value => [...a, ...b, 0x6a];
export const times = (a: Value, b: Value): Value => [...a, ...b, 0x6c];
export const remainder = (a: Value, b: Value): Value => [...a, ...b, 0x70];
export const equal = (a: Value, b: Value): Value => [...a, ...b, 0x46];
/** Statements: bytes that leave nothing. */
export const store = (address: Value, value: Value): Value => [...address, ...value, 0x36, 2, 0];
export const trapIf = (condition: Value): Value => [...condition, 0x04, VOID, 0x00, 0x0b];

/** Addresses, and the number of the workgroup. */
interface Places {
  readonly sizes: Value;
  readonly scratch: Value;
  readonly group: Value;
  readonly buffers: readonly Value[];
}

export interface HandMade {
  readonly access: readonly ("read" | "read_write")[];
  /** What is done for each workgroup. */
  readonly body: (at: Places) => Value;
}

/** Bytes of scratch memory that these kernels say they need. */
const SCRATCH_BYTES = 1024;

/** A function that traps when it has more memory than a page: of no use as a kernel, and where a thread begins with it, its end. */
const TRAP_IN_MEMORY = [0, 0x3f, 0, ...constant(1), 0x47, 0x04, VOID, 0x00, 0x0b, 0x0b];

/** @param start what instances begin with: nothing, or what makes every thread fail to start */
export function handMadeModule(kernels: readonly HandMade[], start: "nothing" | "trap" = "nothing"): Uint8Array {
  const traps = start === "trap";
  const params = ({ access }: HandMade): readonly number[] => [0x60, ...vector(Array.from({ length: 4 + access.length }, () => [I32])), 0];
  const code = ({ access, body }: HandMade): readonly number[] => {
    const FIRST = 2;
    const group = local(FIRST); // the parameter itself counts up
    const buffers = access.map((_, i) => local(4 + i));
    const loop = [0x02, VOID, 0x03, VOID, ...group, ...local(3), 0x4e, 0x0d, 1, // block, loop: leave if group >= end
      ...body({ sizes: local(0), scratch: local(1), group, buffers }), ...add(group, constant(1)), 0x21, FIRST, 0x0c, 0, 0x0b, 0x0b];
    const bytes = [0, ...loop, 0x0b];
    return [...unsigned(bytes.length), ...bytes];
  };
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [...kernels.map(params), [0x60, 0, 0]]),
    ...section(2, [[...name("moeut"), ...name("memory"), 0x02, 0x03, 1, ...unsigned(65536)]]), // a shared memory of 1 to 65536 pages
    ...section(3, [...kernels.map((_, i) => unsigned(i)), ...(traps ? [unsigned(kernels.length)] : [])]),
    ...section(6, [[I32, 0, ...constant(SCRATCH_BYTES), 0x0b]]),
    ...section(7, [[...name("scratch_bytes"), 3, 0], ...kernels.map((_, i) => [...name(`k${i}`), 0, ...unsigned(i)])]),
    ...(traps ? [8, 1, kernels.length] : []),
    ...section(10, [...kernels.map(code), ...(traps ? [[...unsigned(TRAP_IN_MEMORY.length), ...TRAP_IN_MEMORY]] : [])]),
  ]);
}
