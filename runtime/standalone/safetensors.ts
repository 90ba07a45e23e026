/** Weights as the bytes of a safetensors file, without a file system. */
import { HeaderProblem, parseHeader, printHeader, type SafetensorsHeader, type TensorInfo } from "./safetensors-header.ts";
import type { OfficialTensor } from "./parameters.ts";

/** Equal tensors give equal bytes: they are ordered by name. */
export function encodeWeights(
  tensors: readonly OfficialTensor[], metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  let at = 0;
  const infos = sorted.map(({ name, shape, data: { byteLength } }): [string, TensorInfo] =>
    [name, { dtype: "F32", shape, start: at, end: (at += byteLength) }]);
  const header = printHeader({ metadata, tensors: new Map(infos) });
  const bytes = new Uint8Array(header.length + at);
  bytes.set(header);
  for (const [i, { data }] of sorted.entries()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length + infos[i]![1].start);
  }
  return bytes;
}

/** The bytes of a file as file systems and networks give them. */
export type FileBytes = ArrayBufferView | ArrayBufferLike;

/**
 * Tensors by name, each in memory of its own. Throws an Error that says what is wrong with bytes that are no sound safetensors file of
 * float32.
 */
export function decodeWeights(file: FileBytes): ReadonlyMap<string, OfficialTensor> {
  const bytes = bytesOf(file);
  const { text, dataStart } = headerOf(bytes);
  const { tensors } = soundHeader(text, bytes.length - dataStart);
  return new Map(Array.from(tensors, ([name, { dtype, shape, start, end }]) => {
    if (dtype !== "F32") throw new Error(`the tensor "${name}" is ${dtype}; only F32 can be loaded`);
    return [name, { name, shape, data: new Float32Array(copyOf(bytes, dataStart + start, dataStart + end)) }];
  }));
}

/** A plain view of the same bytes, whatever their owner: methods of Node's Buffer differ from those of the Uint8Array that it is. */
function bytesOf(file: FileBytes): Uint8Array {
  if (ArrayBuffer.isView(file)) return new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  if (/^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(file))) return new Uint8Array(file);
  throw new TypeError(`weights are loaded from the bytes of a file, not from ${Object.prototype.toString.call(file)}`);
}

/** Bytes in a buffer that holds nothing else: a view may start at any byte of a larger or shared one, where no float can. */
function copyOf(bytes: Uint8Array, start: number, end: number): ArrayBuffer {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy.buffer;
}

function headerOf(bytes: Uint8Array): { readonly text: string; readonly dataStart: number } {
  const length = bytes.length < 8 ? Infinity : Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > bytes.length - 8) throw new Error("these bytes are no safetensors file, or only the beginning of one");
  return { text: new TextDecoder().decode(copyOf(bytes, 8, 8 + length)), dataStart: 8 + length };
}

function soundHeader(text: string, dataBytes: number): SafetensorsHeader {
  try {
    return parseHeader(text, dataBytes);
  } catch (error) {
    throw error instanceof HeaderProblem ? new Error(`these bytes are no sound safetensors file: ${error.message}`) : error;
  }
}
