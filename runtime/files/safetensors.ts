import { closeSync, fstatSync, openSync, readSync, statSync, type Stats } from "node:fs";
import { cannotRead, EnvironmentError, UserError } from "../errors.ts";
import { halfToFloat, bfloatToFloat } from "./float16.ts";
import {
  DTYPE_BYTES, HeaderProblem, parseHeader, printHeader, type SafetensorsHeader, type TensorDType, type TensorInfo,
} from "../standalone/safetensors-header.ts";
import { sha256 } from "./sha256.ts";
import { writeAtomicChunks } from "./write-atomic.ts";

export type { TensorInfo } from "../standalone/safetensors-header.ts";

export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  /** Floating-point tensor as float32, row-major: F32 as it is, F16 and BF16 exactly, F64 rounded. UserError for other dtypes. */
  readFloats(name: string): Float32Array;
  /** Integer tensor as u32, row-major. UserError for other dtypes and for values outside 0 … 2³² − 1. */
  readIndices(name: string): Uint32Array;
  /** Whole numbers that may be negative. UserError for one beyond 32 bits. */
  readIntegers(name: string): Int32Array;
  /** The bytes as they are in the file. */
  readBytes(name: string): Uint8Array;
  /** Of the whole file. */
  sha256(): string;
}

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: "F32" | "U32" | "F64" | "I32";
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array | Float64Array | Int32Array;
}

/** As in the format's reference implementation; a longer header is an attack or an accident. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Reads and checks the header; tensors are read one at a time when asked for. UserError, naming the file, for anything that is not a
 * sound safetensors file.
 */
export function readSafetensors(path: string): SafetensorsFile {
  return through(path, (use) => withFile(path, use));
}

/** As readSafetensors, with the file kept open as long as anyone can read from it, even after it was replaced or removed. */
export function holdSafetensors(path: string): SafetensorsFile {
  const held = { file: open(path) };
  closing.register(held, held.file);
  return through(path, (use) => use(held.file));
}

const closing = new FinalizationRegistry(closeSync);

function through(path: string, withOpen: <T>(use: (file: number) => T) => T): SafetensorsFile {
  const { header, dataStart, stamp } = withOpen((file) => readHeader(path, file));
  const info = (name: string): TensorInfo => header.tensors.get(name) ?? missing(path, name);
  const readBytes = (name: string): Uint8Array => withOpen((file) => readRange(path, file, stamp, dataStart, info(name)));
  return {
    ...header,
    path,
    readBytes,
    sha256: () => withOpen((file) => sha256(piecesOf(path, file))),
    readFloats: (name) => toFloats(path, name, info(name).dtype, readBytes(name)),
    readIndices: (name) => toIndices(path, name, info(name).dtype, readBytes(name)),
    readIntegers: (name) => toIntegers(path, name, info(name).dtype, readBytes(name)),
  };
}

/** What is wrong with numbers that are to be weights or results: at most one clause. */
export function nonFinite(name: string, data: Float32Array): readonly string[] {
  const bad = data.findIndex((x) => !Number.isFinite(x));
  return bad < 0 ? [] : [`tensor "${name}" is not finite: element ${bad} is ${data[bad]}`];
}

/** Equal input gives equal bytes: tensors are ordered by alignment, then name. Written atomically. @returns the SHA-256 of the file */
export function writeSafetensors(path: string, tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>> = {}): string {
  const sorted = [...tensors].sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : 1));
  const infos = new Map<string, TensorInfo>();
  let at = 0;
  for (const { name, dtype, shape, data } of sorted) {
    const elements = shape.reduce((product, extent) => product * extent, 1);
    if (elements !== data.length || infos.has(name) || name === "__metadata__")
      throw new Error(`cannot write tensor "${name}" [${shape.join(", ")}] of ${data.length} elements`);
    infos.set(name, { dtype, shape, start: at, end: (at += data.byteLength) });
  }
  const chunks = [printHeader({ metadata, tensors: infos }), ...sorted.map(({ data }) => bytesOf(data))];
  writeAtomicChunks(path, chunks);
  return sha256(chunks);
}

const bytesOf = (data: TensorToWrite["data"]): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function missing(path: string, name: string): never {
  throw new UserError(`${path} holds no tensor "${name}"`);
}

function open(path: string): number {
  try {
    requireFile(path, statSync(path));
    return openSync(path, "r");
  } catch (error) {
    throw error instanceof UserError ? error : cannotRead(path, error);
  }
}

function withFile<T>(path: string, use: (file: number) => T): T {
  const file = open(path);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

/** To open a named pipe is to wait for a writer, and of no pipe or device a part can be read. */
function requireFile(path: string, stats: Stats): void {
  if (stats.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
  if (!stats.isFile())
    throw new UserError(`${path} is a pipe or a device; its parts are read as they are needed, so save it as a file first`);
}

/** Tells one state of a file from another. */
const stampOf = ({ ino, size, mtimeMs }: Stats): string => `${ino} ${size} ${mtimeMs}`;

function readHeader(path: string, file: number): { header: SafetensorsHeader; dataStart: number; stamp: string } {
  const stats = fstatSync(file);
  const length = headerLength(path, file, stats.size);
  const text = decodeUtf8(path, readAt(path, file, 8, length));
  const dataStart = 8 + length;
  try {
    return { header: parseHeader(text, stats.size - dataStart), dataStart, stamp: stampOf(stats) };
  } catch (error) {
    if (error instanceof HeaderProblem) throw unsound(path, error.message);
    throw error;
  }
}

function headerLength(path: string, file: number, size: number): number {
  if (size < 8) throw unsound(path, `it has ${size} bytes, too few for a header`);
  const length = Buffer.from(readAt(path, file, 0, 8)).readBigUInt64LE(0);
  if (length > BigInt(MAX_HEADER_BYTES)) throw unsound(path, `it claims a header of ${length} bytes`);
  if (length > BigInt(size - 8)) throw unsound(
    path, `it claims a header of ${length} bytes, but has only ${size - 8} after the length: it is truncated`,
  );
  return Number(length);
}

const unsound = (path: string, problem: string): UserError => new UserError(`${path} is not a sound safetensors file: ${problem}`);

function decodeUtf8(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw unsound(path, "its header is not UTF-8 text");
  }
}

function readRange(path: string, file: number, stamp: string, dataStart: number, info: TensorInfo): Uint8Array {
  if (stampOf(fstatSync(file)) !== stamp) throw new UserError(`${path} changed while it was being read`);
  return readAt(path, file, dataStart + info.start, info.end - info.start);
}

function* piecesOf(path: string, file: number): Generator<Uint8Array> {
  const { size } = fstatSync(file);
  const step = 2 ** 24;
  for (let at = 0; at < size; at += step) yield readAt(path, file, at, Math.min(step, size - at));
}

function readAt(path: string, file: number, position: number, length: number): Uint8Array {
  const bytes = allocate(path, length);
  const step = 2 ** 30; // one read moves less than 2 GiB
  for (let at = 0; at < length; ) {
    const count = readSync(file, bytes, at, Math.min(step, length - at), position + at);
    if (count === 0) throw unsound(path, "it is truncated");
    at += count;
  }
  return bytes;
}

function allocate(path: string, length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch {
    throw new EnvironmentError(`${path}: a part of ${(length / 2 ** 30).toFixed(1)} GiB does not fit in memory at once`);
  }
}

function toFloats(path: string, name: string, dtype: TensorDType, bytes: Uint8Array): Float32Array {
  switch (dtype) {
    case "F32": return new Float32Array(bytes.buffer);
    case "F64": return Float32Array.from(new Float64Array(bytes.buffer));
    case "F16": return Float32Array.from(new Uint16Array(bytes.buffer), halfToFloat);
    case "BF16": return bfloatToFloat(new Uint16Array(bytes.buffer));
    default:
      throw new UserError(`${path}: tensor "${name}" is ${dtype}, a floating-point dtype is needed (F32, F16, BF16 or F64)`);
  }
}

function toIndices(path: string, name: string, dtype: TensorDType, bytes: Uint8Array): Uint32Array {
  const values = integers(dtype, bytes);
  if (values === null) throw new UserError(`${path}: tensor "${name}" is ${dtype}, an integer dtype is needed`);
  const bad = values.find((value) => value < 0 || value > 0xffffffff);
  if (bad !== undefined) throw new UserError(`${path}: tensor "${name}" holds ${bad}, which is not an index`);
  return Uint32Array.from(values as ArrayLike<number>, Number);
}

function toIntegers(path: string, name: string, dtype: TensorDType, bytes: Uint8Array): Int32Array {
  const values = integers(dtype, bytes);
  if (values === null) throw new UserError(`${path}: tensor "${name}" is ${dtype}, an integer dtype is needed`);
  const bad = values.find((value) => value < -0x80000000 || value > 0x7fffffff);
  if (bad !== undefined) throw new UserError(`${path}: tensor "${name}" holds ${bad}, which has more than 32 bits`);
  return Int32Array.from(values as ArrayLike<number>, Number);
}

type Integers = Pick<BigInt64Array | Int32Array, "length"> & {
  find(test: (value: number | bigint) => boolean): number | bigint | undefined;
};

function integers(dtype: TensorDType, { buffer }: Uint8Array): Integers | null {
  switch (dtype) {
    case "BOOL": case "U8": return new Uint8Array(buffer);
    case "I8": return new Int8Array(buffer);
    case "U16": return new Uint16Array(buffer);
    case "I16": return new Int16Array(buffer);
    case "U32": return new Uint32Array(buffer);
    case "I32": return new Int32Array(buffer);
    case "U64": return new BigUint64Array(buffer);
    case "I64": return new BigInt64Array(buffer);
    default: return null;
  }
}
