/** The bytes of one file, pipe or standard input, each read once from beginning to end. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync, statSync, type Stats } from "node:fs";
import { isatty } from "node:tty";
import { cannotRead, systemCode, UserError } from "../errors.ts";

type Read = (file: number, into: Uint8Array, offset: number, length: number, position: null) => number;

/** "-" and the names that systems have for it: opening those fails where standard input is a socket. */
const isStandardInput = (path: string): boolean => ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].includes(path);

/** As much as Node hashes and reads in one call. */
export const MOST_BYTES = 2 ** 31 - 1;

/** It is standard input, or there is something of this name that is no directory. UserError for what cannot be looked at. */
export function isReadable(path: string): boolean {
  if (isStandardInput(path)) return true;
  const stats = look(path);
  return stats !== null && !stats.isDirectory();
}

export const isDirectory = (path: string): boolean => !isStandardInput(path) && look(path)?.isDirectory() === true;

export const isRegular = (path: string): boolean => !isStandardInput(path) && look(path)?.isFile() === true;

/** @returns null if there is nothing, or if the name is too long to be one, as a long glob may be */
function look(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    if (["ENOENT", "ENAMETOOLONG"].includes(systemCode(error))) return null;
    throw cannotRead(path, error);
  }
}

/** How much is read at once. */
const PIECE = 2 ** 20;

/**
 * The bytes piece by piece, so that memory holds little of them. UserError for devices, sockets, and what changes while it is read.
 * @param read for tests, which let something happen meanwhile
 */
export function* readPieces(path: string, read: Read = readSync): Generator<Uint8Array> {
  if (isStandardInput(path)) return yield* piecesOf("standard input", 0, read);
  requireFileOrPipe(path);
  let file: number | null = null;
  try {
    const named = isNamedPipe(path);
    file = openSync(path, named ? constants.O_RDONLY | constants.O_NONBLOCK : "r");
    if (named) yield awaitWriter(path, file);
    yield* named ? pipePieces(file) : piecesOf(path, file, read);
  } catch (error) {
    throw error instanceof UserError ? error : cannotRead(path, error);
  } finally {
    if (file !== null) closeSync(file);
  }
}

/** All of it. UserError as for readPieces, and for what is too large. */
export function readBytes(path: string, read: Read = readSync): Uint8Array {
  requireBelowMost(path);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (const piece of readPieces(path, read)) {
    pieces.push(piece);
    length += piece.length;
    if (length > MOST_BYTES) throw tooLarge(path);
  }
  return Buffer.concat(pieces);
}

/** UserError for a file that is too large to be held in memory, before it is read. */
export function requireBelowMost(path: string): void {
  if (sizeOf(path) > MOST_BYTES) throw tooLarge(path);
}

/** Bytes of a file; 0 for what has no size, such as pipes. */
export const sizeOf = (path: string): number => (isRegular(path) ? look(path)!.size : 0);

/** Before it is opened: to open some devices is to do something. */
function requireFileOrPipe(path: string): void {
  const stats = look(path);
  if (stats?.isSocket() === true) throw new UserError(`${path} is a socket, not a file of text`);
  if (stats?.isCharacterDevice() === true || stats?.isBlockDevice() === true)
    throw new UserError(`${path} is a device, not a file of text`);
}

function* piecesOf(name: string, file: number, read: Read): Generator<Uint8Array> {
  const before = fstatSync(file);
  if (before.isCharacterDevice() && !isatty(file)) throw new UserError(`${name} is a device, not a text`);
  if (!before.isFile() || before.size === 0) return yield* pipePieces(file); // files in /proc have text and no size
  let length = 0;
  while (length < before.size) {
    const piece = new Uint8Array(Math.min(PIECE, before.size - length));
    const n = read(file, piece, 0, piece.length, null);
    if (n === 0) break;
    length += n;
    yield piece.subarray(0, n);
  }
  const after = fstatSync(file);
  if (length === after.size && after.mtimeMs === before.mtimeMs) return;
  throw new UserError(`${name} changed while it was read; try again when nothing writes to it`);
}

/** One that lies in a folder. What shells make of `<(…)` has a name too, but nobody else can open it. */
function isNamedPipe(path: string): boolean {
  try {
    return lstatSync(realpathSync(path)).isFIFO();
  } catch {
    return false;
  }
}

/**
 * To open a named pipe the usual way is to wait for a writer without a word. This one says so after a second.
 * @returns what the writer wrote first, which may be nothing yet
 */
function awaitWriter(path: string, file: number): Uint8Array {
  const part = new Uint8Array(2 ** 16);
  for (let waited = 0; ; waited += PAUSE) {
    const n = readNow(file, part);
    if (n !== 0) return part.subarray(0, n ?? 0);
    if (waited === 1000) process.stderr.write(`waiting for something to write into the pipe ${path} …\n`);
    pause();
  }
}

/** Reads until the other side closes it. */
function* pipePieces(file: number): Generator<Uint8Array> {
  for (;;) {
    const part = new Uint8Array(2 ** 16);
    const n = readSome(file, part);
    if (n === 0) return;
    yield part.subarray(0, n);
  }
}

/** Waits where a pipe has nothing yet and does not wait itself. */
function readSome(file: number, part: Uint8Array): number {
  for (;;) {
    const n = readNow(file, part);
    if (n !== null) return n;
    pause();
  }
}

/** @returns 0 where nobody writes any more, or yet; null where somebody does and has written nothing */
function readNow(file: number, part: Uint8Array): number | null {
  try {
    return readSync(file, part, 0, part.length, null);
  } catch (error) {
    if (systemCode(error) === "EOF") return 0; // Windows
    if (systemCode(error) === "EAGAIN") return null;
    throw error;
  }
}

/** In milliseconds. */
const PAUSE = 20;

const pause = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);

export const tooLarge = (name: string): UserError => new UserError(`${name} is larger than 2 GiB, which is as much text as a run can have`);
