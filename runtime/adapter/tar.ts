/** One regular file of a tar archive. */
export interface TarEntry {
  readonly name: string;
  readonly data: Uint8Array;
}

const BLOCK = 512;

/**
 * Regular files of an uncompressed ustar archive, in order. Directories, links and other kinds are left out.
 * Throws on a truncated archive and on names that would leave the directory they are unpacked into.
 */
export function readTar(archive: Uint8Array): readonly TarEntry[] {
  const entries: TarEntry[] = [];
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return entries;
    const size = octal(header, 124, 12);
    const end = at + BLOCK + size;
    if (end > archive.length) throw new Error("tar archive ends inside a file");
    if (isRegular(header[156]!)) entries.push({ name: safeName(header), data: archive.subarray(at + BLOCK, end) });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}

/** Type flag "0", or NUL in archives older than POSIX. */
const isRegular = (flag: number): boolean => flag === 0x30 || flag === 0;

function safeName(header: Uint8Array): string {
  const isUstar = text(header, 257, 5) === "ustar";
  const prefix = isUstar ? text(header, 345, 155) : "";
  const name = (prefix === "" ? "" : `${prefix}/`) + text(header, 0, 100);
  if (name.startsWith("/") || name.split("/").includes("..")) throw new Error(`tar archive holds an unsafe name: ${name}`);
  return name;
}

function text(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString("utf8");
}

function octal(header: Uint8Array, start: number, length: number): number {
  const digits = text(header, start, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Error("tar header holds a size that is not octal");
  return parseInt(digits, 8);
}
