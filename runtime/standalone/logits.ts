/** Logits of a whole text. */
import { product } from "./layout.ts";
import { NO_NOISE, writeNoise } from "./noise.ts";
import { writePositions } from "./positions.ts";
import type { Executor } from "./types.ts";

/** @param tokens 1 to T of them, in front of others that do not count @returns [n, V] */
export async function logitsOf(executor: Executor, tokens: readonly number[]): Promise<Float32Array> {
  const shape = executor.shape("logits/tokens"); // [1, T]
  executor.write("logits/tokens", Uint32Array.from({ length: product(shape) }, (_, i) => tokens[i] ?? 0));
  writePositions(executor, "logits", 0);
  writeNoise(executor, "logits", NO_NOISE);
  const { "logits/logits": all } = await executor.run(["logits"], ["logits/logits"]);
  return (all as Float32Array).slice(0, tokens.length * executor.shape("logits/logits").at(-1)!);
}
