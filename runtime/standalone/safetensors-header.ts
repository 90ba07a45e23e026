/** The header of a safetensors file: parsing that trusts nothing, and printing. */

/** Bytes per element of every dtype of the format. */
export const DTYPE_BYTES = {
  BOOL: 1, U8: 1, I8: 1, U16: 2, I16: 2, F16: 2, BF16: 2, U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8,
} as const;
export type TensorDType = keyof typeof DTYPE_BYTES;

export interface TensorInfo {
  readonly dtype: TensorDType;
  readonly shape: readonly number[];
  /** First byte and byte after the last, counted from the end of the header. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** What is wrong with a header, as a clause that follows a file name; null is never thrown. */
export class HeaderProblem extends Error {}

const refuse = (problem: string): never => {
  throw new HeaderProblem(problem);
};

/**
 * Parses and proves a header: known dtypes, sizes that agree with shapes, byte ranges that cover the `dataBytes` after the header
 * without overlap or gap, names that occur once. Throws HeaderProblem otherwise.
 */
export function parseHeader(text: string, dataBytes: number): SafetensorsHeader {
  const json = parseObject(text);
  const duplicate = duplicateKey(text);
  if (duplicate !== null) refuse(`it ${Object.hasOwn(json, duplicate) ? "names the tensor" : "says"} ${named(duplicate)} twice`);
  const { __metadata__: metadata, ...rest } = json;
  const tensors = Object.entries(rest).map(([name, value]) => [name, tensorInfo(name, value)] as const);
  tensors.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  checkCoverage(tensors, dataBytes);
  return { metadata: metadataOf(metadata), tensors: new Map(tensors) };
}

/** A name in quotes, without what a terminal would act on, and not longer than a line. */
const named = (name: string): string => (name.length > MAX_SHOWN ? `${JSON.stringify(name.slice(0, MAX_SHOWN))}…` : JSON.stringify(name));
const MAX_SHOWN = 80;

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse("its header is not JSON");
  }
  return isRecord(value) ? value : refuse("its header is not a JSON object");
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
/** As in numpy; more is an attack or an accident. */
const MAX_AXES = 64;
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);

function metadataOf(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  const isText = isRecord(value) && Object.values(value).every((entry) => typeof entry === "string");
  return isText ? (value as Record<string, string>) : refuse("its __metadata__ is not a map of strings");
}

function tensorInfo(name: string, value: unknown): TensorInfo {
  if (!isRecord(value)) return refuse(`the entry of tensor ${named(name)} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    const problem = typeof dtype === "string" ? `the unknown dtype ${named(dtype)}` : "no dtype";
    return refuse(`tensor ${named(name)} has ${problem}; known are ${Object.keys(DTYPE_BYTES).join(", ")}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize) || shape.length > MAX_AXES) return refuse(`tensor ${named(name)} has an invalid shape`);
  const hasOffsets = Array.isArray(offsets) && offsets.length === 2 && offsets.every(isSize);
  if (!hasOffsets) return refuse(`tensor ${named(name)} has invalid data_offsets`);
  const [start, end] = offsets as [number, number];
  const bytes = shape.includes(0) ? 0 : shape.reduce((product, extent) => product * extent, DTYPE_BYTES[dtype as TensorDType]);
  const kind = `${dtype} [${shape.join(", ")}]`;
  if (end - start !== bytes) refuse(`tensor ${named(name)} (${kind}) needs ${bytes} bytes, but its data_offsets span ${end - start}`);
  return { dtype: dtype as TensorDType, shape: shape as number[], start, end };
}

function checkCoverage(tensors: readonly (readonly [string, TensorInfo])[], dataBytes: number): void {
  let at = 0;
  for (const [name, { start, end }] of tensors) {
    if (start < at) refuse(`tensor ${named(name)} overlaps another (bytes ${start} to ${end}, but ${at} bytes are taken)`);
    if (start > at) refuse(`bytes ${at} to ${start} belong to no tensor`);
    if (end > dataBytes) {
      refuse(`tensor ${named(name)} ends at byte ${end}, but the file holds ${dataBytes} bytes of data: it is truncated`);
    }
    at = end;
  }
  if (at !== dataBytes) refuse(`${dataBytes - at} bytes at its end belong to no tensor`);
}

/** The first key that occurs twice in one object of valid JSON text; JSON.parse would silently keep the last. */
export function duplicateKey(text: string): string | null {
  const open: (Set<string> | null)[] = []; // null for lists
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === "{" || c === "[") open.push(c === "{" ? new Set() : null);
    else if (c === "}" || c === "]") open.pop();
    else if (c === '"') {
      const end = stringEnd(text, at);
      if (isKey(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        const keys = open.at(-1)!;
        if (keys!.has(key)) return key;
        keys!.add(key);
      }
      at = end - 1;
    }
  }
  return null;
}

function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (" \t\n\r".includes(text[at] ?? "?")) at++;
  return text[at] === ":";
}

/** Header bytes with the length in front, padded so that the data starts at a multiple of 8. */
export function printHeader(header: SafetensorsHeader): Uint8Array {
  const metadata = Object.entries(header.metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const entries: [string, unknown][] = metadata.length > 0 ? [["__metadata__", Object.fromEntries(metadata)]] : [];
  for (const [name, { dtype, shape, start, end }] of header.tensors) entries.push([name, { dtype, shape, data_offsets: [start, end] }]);
  // Not JSON.stringify of one object: names like "10" would move to the front.
  const lines = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = new TextEncoder().encode(`{${lines.join(",")}}`);
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}
