/** Files that are packed: gzip, and Zstandard where this Node knows it. */
import { Readable, type Transform } from "node:stream";
import zlib, { createGunzip, gunzipSync } from "node:zlib";
import { messageOf, systemCode, UserError } from "../errors.ts";
import { beginsWith, createTextDecoding } from "./encoding.ts";
import { MOST_BYTES, tooLarge } from "./read.ts";

const GZIP = "\x1f\x8b";
const ZSTANDARD = "\x28\xb5\x2f\xfd";
const HEAD = 4; // bytes

/** The name of a file without the ending that says how it is packed. */
export const unpackedName = (path: string): string => path.replace(/\.(gz|zst)$/i, "");

/** The bytes without packing, however they come. UserError for what is damaged, and for Zstandard where Node does not know it. */
export async function* unpacked(path: string, pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, all } = withHead(pieces);
  if (isGzip(path, head)) yield* through(all, createGunzip({ chunkSize: 2 ** 18 }), path, "gzip");
  else if (beginsWith(head, ZSTANDARD)) yield* through(all, zstandard(path), path, "Zstandard");
  else yield* all;
}

/** The text of a file that is in memory: UTF-8, without packing. UserError for what is no text. */
export function toText(path: string, packed: Uint8Array): Uint8Array {
  const { push, end } = createTextDecoding(path);
  return Buffer.concat([push(isGzip(path, packed) ? gunzip(path, packed) : packed), end()]);
}

const isGzip = (path: string, bytes: Uint8Array): boolean => beginsWith(bytes, GZIP) || (/\.gz$/i.test(path) && bytes.length > 0);

function gunzip(path: string, bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    if (systemCode(error) === "ERR_BUFFER_TOO_LARGE") throw tooLarge(`${path}, unpacked,`);
    throw unsound(path, "gzip", error);
  }
}

const unsound = (path: string, format: string, error: unknown): UserError =>
  new UserError(`${path} is not a sound ${format} file: ${messageOf(error)}`);

/** The first bytes, and everything with them. */
function withHead(pieces: Iterable<Uint8Array>): { readonly head: Uint8Array; readonly all: Generator<Uint8Array> } {
  const rest = pieces[Symbol.iterator]();
  const seen: Uint8Array[] = [];
  for (let length = 0; length < HEAD; ) {
    const next = rest.next();
    if (next.done === true) break;
    seen.push(next.value);
    length += next.value.length;
  }
  const all = function* (): Generator<Uint8Array> {
    yield* seen;
    yield* { [Symbol.iterator]: () => rest };
  };
  return { head: Buffer.concat(seen).subarray(0, HEAD), all: all() };
}

/** Since Node 22.15. */
function zstandard(path: string): Transform {
  const create = (zlib as { readonly createZstdDecompress?: () => Transform }).createZstdDecompress;
  if (create !== undefined) return create();
  throw new UserError(`${path} is packed with Zstandard, which this Node (${process.versions.node}) does not know and 22.15 does; `
    + "unpack it first, for instance with zstd -d");
}

async function* through(pieces: Iterable<Uint8Array>, transform: Transform, path: string, format: string): AsyncGenerator<Uint8Array> {
  const packed = Readable.from(pieces, { objectMode: false });
  packed.on("error", (error) => transform.destroy(error));
  packed.pipe(transform);
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw error instanceof UserError ? error : unsound(path, format, error);
  } finally {
    packed.destroy();
    transform.destroy();
  }
}
