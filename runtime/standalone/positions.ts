/** The tensors "ENTRY/position", u32 [1], and "ENTRY/positions", u32 [1, T]: where the first position stands, and each of them. */
import type { Executor } from "./types.ts";

/** Entries share input buffers of one shape, so each that has these inputs writes them before every run. */
export function writePositions(executor: Executor, entry: string, first: number): void {
  if (executor.has(`${entry}/position`)) executor.write(`${entry}/position`, Uint32Array.of(first));
  const all = `${entry}/positions`;
  if (executor.has(all)) executor.write(all, Uint32Array.from({ length: executor.shape(all).at(-1)! }, (_, i) => first + i));
}
