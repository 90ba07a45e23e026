/** Contents of constant buffers. */
import type { TablePlan } from "./plan.ts";

/** @param words length of the buffer in words; rotary tables have as many positions as fit */
export function tableWords(table: TablePlan, words: number): Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  if (table.fn === "words") return Uint32Array.from(table.words);
  if (table.fn === "sinusoid") return sinusoid(table, words);
  const half = table.nRotate / 2;
  const out = new Float32Array(words);
  for (let i = 0; i < words; i++) {
    const angle = Math.floor(i / half) * table.base ** ((-2 * (i % half)) / table.nRotate);
    out[i] = table.fn === "cos" ? Math.cos(angle) : Math.sin(angle);
  }
  return out;
}

function sinusoid({ first, base, width, stride }: Extract<TablePlan, { fn: "sinusoid" }>, words: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(words);
  for (let i = 0; i < words; i++) {
    const column = i % stride;
    const angle = (first + Math.floor(i / stride)) * base ** (-(column - (column % 2)) / width);
    if (column < width) out[i] = column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  }
  return out;
}
