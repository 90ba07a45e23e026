/** What executors share: tensors and entries of a plan by name, and what to look at when numbers go wrong. */
import type { Dispatch, EntryPlan, KernelPlan, TensorPlan } from "./plan.ts";

export const tensorOf = (plan: KernelPlan, name: string): TensorPlan => plan.tensors[name] ?? missing(name, plan);

export const entryOf = (plan: KernelPlan, name: string): EntryPlan => plan.entries[name] ?? missing(name, plan);

function missing(name: string, plan: KernelPlan): never {
  const tensors = Object.keys(plan.tensors).filter((tensor) => !/^(param|grad|adam_.)\//.test(tensor));
  throw new Error(`this plan has no "${name}"; it has ${[...Object.keys(plan.entries), ...tensors].join(", ")}`);
}

/** The buffers that a dispatch writes. */
export function writtenBy({ kernel, buffers }: Dispatch, plan: KernelPlan): readonly number[] {
  const { access } = plan.kernels[kernel]!;
  return buffers.filter((_, binding) => access[binding] === "read_write");
}

/** Whether any word has the bits of a NaN or an infinity. */
export const holdsNonFinite = (bits: Uint32Array): boolean => bits.some((word) => (word & 0x7f800000) === 0x7f800000);

export const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;
