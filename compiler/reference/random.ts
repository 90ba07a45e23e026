/** Random numbers in float64, from the generator that the host uses. */
import { philox } from "../../runtime/standalone/random.ts";
import type { Distribution, Op, TensorType } from "../ir/graph.ts";
import { elements } from "../ir/tensor-type.ts";
import { rows, width, zeros } from "./tensors.ts";
import type { Tensor } from "./tensors.ts";

/** Uniform numbers are those of the kernel, bit for bit; normal ones differ by its rounding. */
export function random(
  { distribution, stream }: Extract<Op, { kind: "random" }>, noise: Tensor, position: Tensor, type: TensorType,
): Tensor {
  const out = zeros(type);
  const columns = width(out);
  const blocks = Math.ceil(columns / 4);
  const [positions, rowsPerToken] = [type.shape[1]!, elements(type.shape.slice(2, -1))];
  const [key0, key1, first, varies] = noise.data as unknown as readonly [number, number, number, number];
  const words = new Uint32Array(4);
  for (let row = 0; row < rows(out); row++) {
    const token = Math.floor(row / rowsPerToken);
    const sequence = varies * (first + Math.floor(token / positions));
    for (let block = 0; block < blocks; block++) {
      philox(
        Uint32Array.of((row % rowsPerToken) * blocks + block, position.data[0]! + (token % positions), sequence, stream), [key0, key1],
        words,
      );
      out.data.set(DISTRIBUTIONS[distribution](words).slice(0, columns - 4 * block), row * columns + 4 * block);
    }
  }
  return out;
}

const fractions = (words: Uint32Array): readonly number[] => Array.from(words, (word) => (word >>> 8) / 2 ** 24);

/** Four numbers from four words. */
const DISTRIBUTIONS: Readonly<Record<Distribution, (words: Uint32Array) => readonly number[]>> = {
  uniform: fractions,
  normal: (words) => {
    const [a, b, c, d] = fractions(words) as [number, number, number, number];
    return [...boxMuller(a, b), ...boxMuller(c, d)];
  },
};

/** Two independent normal numbers from two uniform ones in [0, 1) (Box and Muller 1958). */
function boxMuller(u: number, v: number): readonly [number, number] {
  const radius = Math.sqrt(-2 * Math.log(1 - u));
  const angle = 2 * Math.PI * (v - 0.5);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
