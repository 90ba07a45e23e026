/** Bytes of WebAssembly modules (webassembly.github.io/spec/core/binary). */

/** Unsigned, seven bits a byte. */
export function unsigned(value: number): readonly number[] {
  const bytes: number[] = [];
  for (let rest = value >>> 0; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}

/** Signed 32 bits, seven a byte. */
export function signed(value: number): readonly number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) return [...bytes, rest & 127];
    bytes.push((rest & 127) | 128);
  }
}

export const f32Bytes = (value: number): readonly number[] => [...new Uint8Array(new Float32Array([value]).buffer)];
export const u32Bytes = (value: number): readonly number[] => [...new Uint8Array(new Uint32Array([value]).buffer)];

export const text = (value: string): readonly number[] => {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
};

/** A list of things with their number in front. */
export const vector = (items: readonly (readonly number[])[]): readonly number[] => [...unsigned(items.length), ...items.flat()];

/** Parts behind each other. */
export function joined(parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Bytes with their number in front. */
export const sized = (bytes: readonly number[]): readonly number[] => unsigned(bytes.length).concat(bytes);
