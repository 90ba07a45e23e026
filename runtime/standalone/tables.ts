/** Contents of constant buffers. */
import type { Stretch, TablePlan } from "./plan.ts";

/** @param words length of the buffer in words; rotary tables have as many positions as fit */
export function tableWords(table: TablePlan, words: number): Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  if (table.fn === "words") return Uint32Array.from(table.words);
  if (table.fn === "sinusoid") return sinusoid(table, words);
  const half = table.nRotate / 2;
  const out = new Float32Array(words);
  for (let i = 0; i < words; i++) {
    const angle = Math.floor(i / half) * stretched(table.base ** ((-2 * (i % half)) / table.nRotate), table.stretch);
    out[i] = table.fn === "cos" ? Math.cos(angle) : Math.sin(angle);
  }
  return out;
}

/** An angle per position, made smaller for longer texts. */
function stretched(frequency: number, stretch: Stretch | undefined): number {
  if (stretch === undefined) return frequency;
  const { factor, length, low, high } = stretch;
  const kept = Math.min(1, Math.max(0, ((length * frequency) / (2 * Math.PI) - low) / (high - low)));
  return frequency * (kept + (1 - kept) / factor);
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
