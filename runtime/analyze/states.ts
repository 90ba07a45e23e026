/**
 * The residual stream and the choices of a text as tensors, for other tools:
 *
 *   tokens                 U32 [N]
 *   windows                U32 [W]          where in `tokens` each window begins
 *   residual.embedding     F32 [N, D]       what enters the first layer
 *   residual.PASS.LAYER    F32 [N, D]       what leaves a layer that is applied for the PASS-th time, counted from 0
 *   experts.PASS.ROUTER    I32 [N, H · K]   what a router chose there: expert e of head h is number h · E + e; −1 where halting skips
 */
import type { TensorToWrite } from "../files/safetensors.ts";
import type { Routing } from "./routing.ts";

/** One application of a layer. */
export interface LayerSite {
  readonly layer: string;
  /** How many times the layer was applied before. */
  readonly pass: number;
}

/** @param layers in order of depth */
export function stateTensors(
  { tokens, starts, sites, streams }: Routing, layers: readonly LayerSite[], dModel: number,
): readonly TensorToWrite[] {
  const kept = streams[0]!.length / dModel;
  const windows = Uint32Array.from(starts.filter((start) => start < kept));
  const names = ["residual.embedding", ...layers.map(({ layer, pass }) => `residual.${pass}.${layer}`)];
  return [
    { name: "tokens", dtype: "U32", shape: [kept], data: tokens.subarray(0, kept) },
    { name: "windows", dtype: "U32", shape: [windows.length], data: windows },
    ...streams.map((data, i) => ({ name: names[i]!, dtype: "F32" as const, shape: [kept, dModel], data })),
    ...sites.map(({ router, pass, heads, topK, chosen }) => {
      const width = heads * topK;
      const name = `experts.${pass}.${router.replace(" ", ".")}`;
      return { name, dtype: "I32" as const, shape: [kept, width], data: chosen.subarray(0, kept * width) };
    }),
  ];
}
