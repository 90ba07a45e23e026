/** Golden folders as the tests see them: models, weights and results of the official code. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { OpGraph } from "../../compiler/ir/graph.ts";
import { elements } from "../../compiler/ir/tensor-type.ts";
import { readSafetensors } from "../../runtime/files/safetensors.ts";
import type { SafetensorsFile } from "../../runtime/files/safetensors.ts";

export interface GoldenConfig {
  readonly args: Readonly<Record<string, unknown>>;
  readonly derived: Readonly<Record<string, unknown>>;
  readonly batch: number;
  readonly context: number;
  readonly vocab: number;
  readonly training: { readonly lr: number; readonly betas: readonly [number, number]; readonly eps: number; readonly weight_decay: number; readonly grad_clip: number };
  readonly official_init: Readonly<Record<string, { readonly mean: number; readonly std: number; readonly max_abs: number; readonly row_norm_cv?: number }>>;
}

export interface Golden {
  readonly config: GoldenConfig;
  readonly weights: SafetensorsFile;
  readonly io: SafetensorsFile;
  readonly train: SafetensorsFile;
}

export const readGolden = (folder: string): Golden => ({
  config: JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as GoldenConfig,
  weights: readSafetensors(join(folder, "weights.safetensors")),
  io: readSafetensors(join(folder, "io.safetensors")),
  train: readSafetensors(join(folder, "train.safetensors")),
});

/** A parameter's part of the official tensors, whose names `prefix` precedes. */
export function readOfficial(file: SafetensorsFile, graph: OpGraph, prefix = ""): Record<string, Float64Array> {
  return Object.fromEntries(graph.params.map(({ name, official, value }) => {
    const info = file.tensors.get(prefix + official.tensor);
    if (info === undefined || `${info.shape}` !== `${official.shape}`)
      throw new Error(`${official.tensor} is [${info?.shape}], not [${official.shape}]`);
    const all = file.readFloats(prefix + official.tensor);
    return [name, Float64Array.from(all.subarray(official.start, official.start + elements(graph.values[value]!.type.shape)))];
  }));
}

/** Greatest absolute difference over the greatest absolute entry of `want`. */
export function deviation(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) throw new Error(`${got.length} elements instead of ${want.length}`);
  let [error, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error = Math.max(error, Math.abs(got[i]! - want[i]!));
    size = Math.max(size, Math.abs(want[i]!));
    if (Number.isNaN(got[i])) return NaN;
  }
  return error / (size || 1);
}

/** One AdamW step on one tensor, in place; `step` counts from 1. */
export function adamw(
  p: { readonly w: Float64Array; readonly m: Float64Array; readonly v: Float64Array }, grad: Float64Array, clip: number, step: number,
  t: GoldenConfig["training"],
): void {
  const [beta1, beta2] = t.betas;
  p.w.forEach((w, i) => {
    const g = grad[i]! * clip;
    p.m[i] = beta1 * p.m[i]! + (1 - beta1) * g;
    p.v[i] = beta2 * p.v[i]! + (1 - beta2) * g * g;
    const size = Math.sqrt(p.v[i]!) / Math.sqrt(1 - beta2 ** step) + t.eps;
    p.w[i] = w * (1 - t.lr * t.weight_decay) - ((t.lr / (1 - beta1 ** step)) * p.m[i]!) / size;
  });
}
