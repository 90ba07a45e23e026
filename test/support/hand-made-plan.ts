/** A plan of kernels written by hand, whose results show whether everything was done once and in order. */
import type { Dispatch, KernelPlan, TensorPlan } from "../../runtime/standalone/plan.ts";
import { PORTABLE } from "../../compiler/5-plan/index.ts";
import { add, constant, equal, handMadeModule, load, remainder, store, times, trapIf, type HandMade, type Value } from "./wasm-kernels.ts";

const word = (buffer: Value, i: Value): Value => add(buffer, times(i, constant(4)));

/** b[i] = 3 · a[(i + 1) mod n] + c, the index by way of scratch memory. Sizes: n, c. */
const MIX: HandMade = {
  access: ["read", "read_write"],
  body: ({ sizes, scratch, group, buffers: [a, b] }) => [
    ...store(scratch, remainder(add(group, constant(1)), load(sizes))),
    ...store(word(b!, group), add(times(load(word(a!, load(scratch))), constant(3)), load(sizes, 4))),
  ],
};
/** Fails at the group n. Sizes: n. */
const FAIL: HandMade = { access: ["read_write"], body: ({ sizes, group }) => trapIf(equal(group, load(sizes))) };
/** a[i] = word. Sizes: word. */
const FILL: HandMade = { access: ["read_write"], body: ({ sizes, group, buffers: [a] }) => store(word(a!, group), load(sizes)) };

const KERNELS = { mix: 0, fail: 1, fill: 2 } as const;
export const HAND_MADE = handMadeModule([MIX, FAIL, FILL]);
/** The same, but every thread fails to start. */
export const WITHOUT_THREADS = handMadeModule([MIX, FAIL, FILL], "trap");

export interface Launch {
  readonly kernel: keyof typeof KERNELS;
  readonly buffers: readonly number[];
  readonly sizes: readonly number[];
  readonly label?: string;
}

/** @param words of each buffer; they are tensors "0", "1", … of u32 */
export function handMadePlan(words: readonly number[], entries: Readonly<Record<string, readonly Launch[]>>): KernelPlan {
  const dispatch = ({ kernel, buffers, sizes, label = kernel }: Launch): Dispatch => {
    const n = words[buffers.at(-1)!]!;
    const row = Math.min(n, 64);
    return {
      kernel: KERNELS[kernel], buffers, sizes, workgroups: [row, Math.ceil(n / row), 1], label, origin: { path: "", span: null }, fused: [],
    };
  };
  const tensor = (buffer: number): TensorPlan => ({ buffer, dtype: "u32", shape: [words[buffer]!], physical: [words[buffer]!] });
  const total = 4 * words.reduce((a, b) => a + b, 0);
  return {
    model: "hand-made", profile: PORTABLE, params: [],
    kernels: [MIX, FAIL, FILL].map(({ access }, i) => ({ name: Object.keys(KERNELS)[i]!, wgsl: "", access })),
    buffers: words.map((n, i) => ({ label: `${i}`, kind: "activations", bytes: 4 * n, table: null })),
    tensors: Object.fromEntries(words.map((_, i) => [`${i}`, tensor(i)])),
    entries: Object.fromEntries(Object.entries(entries).map(([name, launches]) => [name, { dispatches: launches.map(dispatch) }])),
    memory: {
      total,
      byKind: { parameters: 0, gradients: 0, optimizer: 0, activations: total, outputs: 0, caches: 0, tables: 0, inputs: 0 },
    },
  };
}

/** What MIX makes of numbers. */
export const mixed = (a: Uint32Array, c: number): Uint32Array => a.map((_, i) => Math.imul(a[(i + 1) % a.length]!, 3) + c);

/** n launches to and fro between two buffers. */
export const toAndFro = (n: number, words: number, [a, b]: readonly [number, number]): readonly Launch[] =>
  Array.from({ length: n }, (_, i) => ({ kernel: "mix", buffers: i % 2 === 0 ? [a, b] : [b, a], sizes: [words, i] }));
