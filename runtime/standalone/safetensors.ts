/** Weights as the bytes of a safetensors file, without a file system. */
import { parseHeader, printHeader, type TensorInfo } from "./safetensors-header.ts";
import type { OfficialTensor } from "./parameters.ts";

/** Equal tensors give equal bytes: they are ordered by name. */
export function encodeWeights(tensors: readonly OfficialTensor[]): Uint8Array<ArrayBuffer> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  let at = 0;
  const infos = sorted.map(({ name, shape, data }): [string, TensorInfo] => [name, { dtype: "F32", shape, start: at, end: (at += data.byteLength) }]);
  const header = printHeader({ metadata: {}, tensors: new Map(infos) });
  const bytes = new Uint8Array(header.length + at);
  bytes.set(header);
  sorted.forEach(({ data }, i) => bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length + infos[i]![1].start));
  return bytes;
}

/** Tensors by name. Throws an Error that says what is wrong with bytes that are no sound safetensors file of float32. */
export function decodeWeights(bytes: Uint8Array): ReadonlyMap<string, OfficialTensor> {
  const { text, dataStart } = headerOf(bytes);
  const { tensors } = parseHeader(text, bytes.length - dataStart);
  return new Map(Array.from(tensors, ([name, { dtype, shape, start, end }]) => {
    if (dtype !== "F32") throw new Error(`the tensor "${name}" is ${dtype}; only F32 can be loaded`);
    return [name, { name, shape, data: new Float32Array(bytes.slice(dataStart + start, dataStart + end).buffer) }];
  }));
}

function headerOf(bytes: Uint8Array): { readonly text: string; readonly dataStart: number } {
  const length = bytes.length < 8 ? Infinity : Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > bytes.length - 8) throw new Error("these bytes are no safetensors file, or only the beginning of one");
  return { text: new TextDecoder().decode(bytes.subarray(8, 8 + length)), dataStart: 8 + length };
}
