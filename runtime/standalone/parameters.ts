/** Parameters, and what the optimizer knows about them, between a device and the tensors of a checkpoint. */
import { initialize } from "./initialize.ts";
import { product } from "./layout.ts";
import type { ParamPlan } from "./plan.ts";
import type { Executor } from "./types.ts";

/** A tensor under its official name; several parameters may be parts of one. */
export interface OfficialTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What a parameter has on the device: its weights and Adam's two moments. */
export type ParamState = "param" | "adam_m" | "adam_v";

/** Weights as before training, and moments of zero where the plan has any. */
export function initializeParameters(executor: Executor, params: readonly ParamPlan[], seed: number): void {
  const trains = executor.entries.includes("update");
  for (const { name, shape, init } of params) {
    executor.write(`param/${name}`, initialize(shape, init, seed, name));
    if (!trains) continue;
    executor.write(`adam_m/${name}`, new Float32Array(product(shape)));
    executor.write(`adam_v/${name}`, new Float32Array(product(shape)));
  }
}

/** Reads one kind of state as official tensors, in the order in which their first parts occur. */
export async function readOfficial(
  executor: Pick<Executor, "read">, params: readonly ParamPlan[], state: ParamState,
): Promise<readonly OfficialTensor[]> {
  const tensors = new Map<string, OfficialTensor>();
  for (const { name, official: { tensor: of, shape, start } } of params) {
    const tensor = tensors.get(of) ?? { name: of, shape, data: new Float32Array(product(shape)) };
    tensors.set(of, tensor);
    tensor.data.set((await executor.read(`${state}/${name}`)) as Float32Array, start);
  }
  return [...tensors.values()];
}

/** @param read gives the numbers of an official tensor, as many as its shape says; called once for neighbouring parts of one tensor */
export function writeOfficial(
  executor: Executor, params: readonly ParamPlan[], state: ParamState, read: (tensor: string, shape: readonly number[]) => Float32Array,
): void {
  let data = new Float32Array(0);
  params.forEach(({ name, shape, official }, i) => {
    if (params[i - 1]?.official.tensor !== official.tensor) data = read(official.tensor, official.shape) as Float32Array<ArrayBuffer>;
    executor.write(`${state}/${name}`, data.slice(official.start, official.start + product(shape)));
  });
}
