/** Texts in a column of Parquet files, some MiB at a time: memory holds these, and the column of one row group as the file has it. */
import { isUtf8 } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { AsyncBuffer, ParquetScan } from "hyparquet";
import { cannotRead, messageOf, UserError } from "../errors.ts";
import { someOf, textAt, whole, type Document, type DocumentOptions, type TextPieces } from "./document.ts";
import { isRegular, MOST_BYTES, readPieces, tooLarge } from "./read.ts";
import { unpacked, unpackedName } from "./unpack.ts";

/** A document for each row. UserError, with its number from 1 on, for the first that has no text; and for what is damaged. */
export async function* parquetDocuments(path: string, _: TextPieces, { field, onRead }: DocumentOptions): AsyncGenerator<Document> {
  const file = isRegular(path) && unpackedName(path) === path ? openFile(path) : null;
  try {
    yield* rowsOf(path, file === null ? await inMemory(path, onRead) : byRanges(file, onRead), field);
  } finally {
    if (file !== null) closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw cannotRead(path, error);
  }
}

async function* rowsOf(path: string, file: AsyncBuffer, field: string): AsyncGenerator<Document> {
  const { parquetScan } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const scan = await sound(path, () => parquetScan({ file: remembering(file), compressors, parsers: { stringFromBytes: utf8 } }));
  const column = columnOf(path, scan, field);
  for (const range of partsOf(scan, column)) {
    const values = await sound(`${path}: rows ${range.rowStart + 1} to ${range.rowEnd}`, () => scan.readColumn({ column, ...range }));
    for (let i = 0; i < values.length; i++) yield whole(textAt(`${path}: row ${range.rowStart + i + 1}`, { [column]: values[i] }, field));
  }
}

/** Texts stay bytes: as strings, which outlive a collection of garbage, they would take several times the memory. */
const utf8 = (bytes: Uint8Array | undefined): Uint8Array | undefined =>
  (bytes === undefined || isUtf8(bytes) ? bytes : Buffer.from(new TextDecoder().decode(bytes)));

interface Rows {
  readonly rowStart: number;
  readonly rowEnd: number;
}

function* partsOf(scan: ParquetScan, column: string): Generator<Rows> {
  const rows = rowsAtOnce(scan, column);
  for (const { rowStart, rowEnd } of scan.ranges) {
    for (let row = rowStart; row < rowEnd; row += rows) yield { rowStart: row, rowEnd: Math.min(row + rows, rowEnd) };
  }
}

/** Of text that is read at once, about, in bytes. */
const PART = 2 ** 22;

/** A row group at once where the column is nested: to find rows within, all pages before them would have to be unpacked. */
function rowsAtOnce({ metadata: { row_groups: groups } }: ParquetScan, column: string): number {
  const chunks = groups.flatMap(({ columns }) => columns.flatMap(({ meta_data: chunk }) => chunk ?? []))
    .filter(({ path_in_schema: [name] }) => name === column);
  if (chunks.some(({ path_in_schema: path }) => path.length > 1)) return Infinity;
  const [rows, bytes] = [groups.map((group) => group.num_rows), chunks.map((chunk) => chunk.total_uncompressed_size)]
    .map((numbers) => numbers.reduce((sum, n) => sum + Number(n), 0)) as [number, number];
  return Math.max(1, Math.ceil((rows * PART) / Math.max(1, bytes)));
}

/** Parts of a column are read from the same bytes. */
function remembering(file: AsyncBuffer): AsyncBuffer {
  let last: { readonly start: number; readonly end: number | undefined; readonly bytes: ReturnType<AsyncBuffer["slice"]> } | null = null;
  return {
    byteLength: file.byteLength,
    slice(start, end) {
      if (last === null || last.start !== start || last.end !== end) last = { start, end, bytes: file.slice(start, end) };
      return last.bytes;
    },
  };
}

/** Whatever the library finds wrong is the file's fault. */
async function sound<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`${what} cannot be read as Parquet: ${messageOf(error)}`);
  }
}

/** The column of that name, or the one that the path begins with. */
function columnOf(path: string, { metadata }: ParquetScan, field: string): string {
  const names = topColumns(metadata.schema);
  const found = names.find((name) => name === field) ?? names.find((name) => field.startsWith(`${name}.`));
  if (found !== undefined) return found;
  throw new UserError(`${path} has no column "${field}" (it has ${someOf(names)}); choose one with --field`);
}

/** The schema is a tree, written root first: the children of the root. */
function topColumns(schema: ParquetScan["metadata"]["schema"]): readonly string[] {
  const names: string[] = [];
  const skip = (at: number): number => {
    let next = at + 1;
    for (let child = 0; child < (schema[at]?.num_children ?? 0); child++) next = skip(next);
    return next;
  };
  for (let at = 1; at < schema.length; at = skip(at)) names.push(schema[at]!.name);
  return names;
}

function byRanges(file: number, onRead: DocumentOptions["onRead"]): AsyncBuffer {
  const byteLength = fstatSync(file).size;
  return {
    byteLength,
    slice(start, end = byteLength) {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, byteLength) - start));
      for (let at = 0; at < bytes.length; ) {
        const n = readSync(file, bytes, at, bytes.length - at, start + at);
        if (n === 0) throw new Error("it became shorter while it was read");
        at += n;
      }
      onRead(bytes.length);
      return bytes.buffer;
    },
  };
}

/** Pipes and packed files cannot be read by ranges. */
async function inMemory(path: string, onRead: DocumentOptions["onRead"]): Promise<AsyncBuffer> {
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  for await (const piece of unpacked(path, readPieces(path))) {
    onRead(piece.length);
    parts.push(piece);
    byteLength += piece.length;
    if (byteLength > MOST_BYTES) throw tooLarge(path);
  }
  const all = new Uint8Array(byteLength);
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return { byteLength, slice: (start, end) => all.buffer.slice(start, end) };
}
