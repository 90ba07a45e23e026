import { createRandom } from "../standalone/random.ts";

/** A permutation of 0 … n − 1 (Fisher and Yates) that depends on nothing but its arguments. */
export function permutation(n: number, seed: number, stream: string): Uint32Array {
  const random = createRandom(seed, stream);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random.uniform(i) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
