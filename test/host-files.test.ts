import { spawnSync } from "node:child_process";
import {
  closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync,
} from "node:fs";
import { constants } from "node:buffer";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { cannotWrite, EnvironmentError, exitStatusOf, UserError } from "../runtime/errors.ts";
import { readSafetensors, writeSafetensors, type TensorToWrite } from "../runtime/files/safetensors.ts";
import { writeAtomic, writeAtomicChunks } from "../runtime/files/write-atomic.ts";

const directory = mkdtempSync(join(tmpdir(), "moeut-files-"));
afterAll(() => rmSync(directory, { recursive: true }));
let count = 0;
const fresh = (): string => join(directory, `${count++}`);

/** A file of raw parts: header text (its true length in front, unless another is given) and data. */
function raw(header: string | Buffer, data: Uint8Array = new Uint8Array(0), length?: bigint): string {
  const path = fresh();
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  writeFileSync(path, Buffer.concat([prefix, text, data]));
  return path;
}

const entry = (dtype: string, shape: readonly number[], start: number, end: number): object =>
  ({ dtype, shape, data_offsets: [start, end] });

describe("safetensors round trip", () => {
  const tensors: readonly TensorToWrite[] = [
    { name: "10", dtype: "F32", shape: [2, 3], data: Float32Array.from([1, -2, 3.5, NaN, Infinity, -0]) },
    { name: "a.b", dtype: "U32", shape: [2], data: Uint32Array.from([0, 0xffffffff]) },
    { name: "scalar", dtype: "F32", shape: [], data: Float32Array.of(7) },
    { name: "empty", dtype: "F32", shape: [0, 4], data: new Float32Array(0) },
    { name: "double", dtype: "F64", shape: [1], data: Float64Array.of(0.1) },
    { name: 'quote " and ümlaut', dtype: "I32", shape: [1], data: Int32Array.of(5) },
  ];

  test("gives back names, shapes, bits and metadata", () => {
    const path = fresh();
    writeSafetensors(path, tensors, { format: "moeut", step: "3" });
    const file = readSafetensors(path);
    expect(file.metadata).toEqual({ format: "moeut", step: "3" });
    expect([...file.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
    for (const { name, shape, dtype, data } of tensors) {
      expect(file.tensors.get(name)).toMatchObject({ shape, dtype });
      expect(Buffer.from(file.readBytes(name))).toEqual(Buffer.from(data.buffer));
    }
    expect(file.readFloats("double")).toEqual(Float32Array.of(0.1));
    expect(file.readIndices("a.b")).toEqual(Uint32Array.of(0, 0xffffffff));
  });

  test("writes the same bytes whatever the order", () => {
    const [one, two] = [fresh(), fresh()];
    writeSafetensors(one, tensors, { a: "1", b: "2" });
    writeSafetensors(two, [...tensors].reverse(), { b: "2", a: "1" });
    expect(readFileSync(one)).toEqual(readFileSync(two));
  });

  test("aligns every tensor to its element size", () => {
    const path = fresh();
    writeSafetensors(path, tensors);
    const dataStart = 8 + Number(readFileSync(path).readBigUInt64LE(0));
    expect(dataStart % 8).toBe(0);
    for (const { dtype, start } of readSafetensors(path).tensors.values()) expect(start % (dtype === "F64" ? 8 : 4)).toBe(0);
  });

  test("writes part of a larger buffer", () => {
    const path = fresh();
    writeSafetensors(path, [{ name: "x", dtype: "F32", shape: [2], data: Float32Array.of(1, 2, 3, 4).subarray(1, 3) }]);
    expect(readSafetensors(path).readFloats("x")).toEqual(Float32Array.of(2, 3));
  });
});

describe("safetensors dtypes", () => {
  test.each([
    { dtype: "F16", data: Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000), want: [1, -2, 2 ** -24, 65504, Infinity, -0] },
    { dtype: "BF16", data: Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x0001), want: [1, -2, Infinity, 2 ** -133] },
    { dtype: "F64", data: Float64Array.of(0.5, 1 / 3), want: [0.5, Math.fround(1 / 3)] },
    { dtype: "F32", data: Float32Array.of(0.25), want: [0.25] },
  ])("floats from $dtype", ({ dtype, data, want }) => {
    const path = raw(JSON.stringify({ x: entry(dtype, [data.length], 0, data.byteLength) }), new Uint8Array(data.buffer));
    expect([...readSafetensors(path).readFloats("x")]).toEqual(want);
    expect(() => readSafetensors(path).readIndices("x")).toThrow(/integer dtype is needed/);
  });

  test("NaN in F16", () => {
    const path = raw(JSON.stringify({ x: entry("F16", [1], 0, 2) }), Uint8Array.of(0x01, 0x7e));
    expect(readSafetensors(path).readFloats("x")).toEqual(Float32Array.of(NaN));
  });

  test.each([
    { dtype: "I64", data: BigInt64Array.of(0n, 4294967295n) },
    { dtype: "U64", data: BigUint64Array.of(3n, 7n) },
    { dtype: "I32", data: Int32Array.of(3, 7) },
    { dtype: "I16", data: Int16Array.of(3, 7) },
    { dtype: "U16", data: Uint16Array.of(3, 65535) },
    { dtype: "I8", data: Int8Array.of(3, 7) },
    { dtype: "U8", data: Uint8Array.of(3, 255) },
  ])("indices from $dtype", ({ dtype, data }) => {
    const path = raw(JSON.stringify({ x: entry(dtype, [data.length], 0, data.byteLength) }), new Uint8Array(data.buffer));
    expect(readSafetensors(path).readIndices("x")).toEqual(Uint32Array.from(data as Int32Array, Number));
    expect(() => readSafetensors(path).readFloats("x")).toThrow(/floating-point dtype is needed/);
  });

  test.each([BigInt64Array.of(-1n), BigInt64Array.of(4294967296n)])("an index outside u32: %s", (data) => {
    const path = raw(JSON.stringify({ x: entry("I64", [1], 0, 8) }), new Uint8Array(data.buffer));
    expect(() => readSafetensors(path).readIndices("x")).toThrow(/which is not an index/);
  });
});

describe("hostile safetensors", () => {
  const data = new Uint8Array(16);
  const valid = JSON.stringify({ x: entry("F32", [4], 0, 16) });
  test.each([
    { why: "huge header length", path: () => raw(valid, data, 2n ** 63n), message: /claims a header of 9223372036854775808 bytes/ },
    { why: "header longer than the file", path: () => raw(valid, data, 5000n), message: /truncated/ },
    { why: "seven bytes", path: () => { const path = fresh(); writeFileSync(path, "1234567"); return path; }, message: /too few for a header/ },
    { why: "empty file", path: () => { const path = fresh(); writeFileSync(path, ""); return path; }, message: /too few for a header/ },
    { why: "header that is not JSON", path: () => raw("{x}", data), message: /header is not JSON/ },
    { why: "header that is a list", path: () => raw("[]", data), message: /not a JSON object/ },
    { why: "header that is not UTF-8", path: () => raw(Buffer.from([0x7b, 0xff, 0x7d]), data), message: /not UTF-8/ },
    { why: "entry that is a number", path: () => raw('{"x":1}', data), message: /entry of tensor "x" is not an object/ },
    { why: "unknown dtype", path: () => raw(JSON.stringify({ x: entry("F31", [4], 0, 16) }), data), message: /unknown dtype "F31"/ },
    { why: "dtype named like an inherited property", path: () => raw(JSON.stringify({ x: entry("toString", [4], 0, 16) }), data), message: /unknown dtype/ },
    { why: "negative extent", path: () => raw(JSON.stringify({ x: entry("F32", [-4], 0, 16) }), data), message: /invalid shape/ },
    { why: "fractional extent", path: () => raw(JSON.stringify({ x: entry("F32", [1.5], 0, 16) }), data), message: /invalid shape/ },
    { why: "overflowing shape", path: () => raw(JSON.stringify({ x: entry("F32", [2 ** 40, 2 ** 40], 0, 16) }), data), message: /needs .* bytes/ },
    { why: "size that disagrees with the shape", path: () => raw(JSON.stringify({ x: entry("F32", [3], 0, 16) }), data), message: /needs 12 bytes, but its data_offsets span 16/ },
    { why: "offsets backwards", path: () => raw(JSON.stringify({ x: entry("F32", [4], 16, 0) }), data), message: /span -16/ },
    { why: "negative offset", path: () => raw(JSON.stringify({ x: entry("F32", [4], -16, 0) }), data), message: /invalid data_offsets/ },
    { why: "offsets beyond the file", path: () => raw(JSON.stringify({ x: entry("F32", [8], 0, 32) }), data), message: /truncated/ },
    { why: "overlap", path: () => raw(JSON.stringify({ x: entry("F32", [3], 0, 12), y: entry("F32", [2], 8, 16) }), data), message: /"y" overlaps/ },
    { why: "gap", path: () => raw(JSON.stringify({ x: entry("F32", [1], 0, 4), y: entry("F32", [1], 12, 16) }), data), message: /bytes 4 to 12 belong to no tensor/ },
    { why: "bytes left over", path: () => raw(JSON.stringify({ x: entry("F32", [1], 0, 4) }), data), message: /12 bytes at its end belong to no tensor/ },
    { why: "duplicate name", path: () => raw(`{"x":${JSON.stringify(entry("F32", [4], 0, 16))},"\\u0078":${JSON.stringify(entry("F32", [4], 0, 16))}}`, data), message: /names the tensor "x" twice/ },
    { why: "metadata that is not text", path: () => raw(JSON.stringify({ __metadata__: { a: 1 }, x: entry("F32", [4], 0, 16) }), data), message: /__metadata__/ },
    { why: "a word of an entry twice", path: () => raw('{"x":{"dtype":"F32","dtype":"I32","shape":[4],"data_offsets":[0,16]}}', data), message: /says "dtype" twice/ },
    { why: "no dtype", path: () => raw('{"x":{"shape":[4],"data_offsets":[0,16]}}', data), message: /tensor "x" has no dtype; known are BOOL, U8/ },
    { why: "a tensor named __proto__ of another size", path: () => raw('{"__proto__":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}}', data), message: /tensor "__proto__" .* needs 12 bytes/ },
    { why: "a product beyond 2^53 that is 0", path: () => raw(JSON.stringify({ x: entry("F32", [2 ** 52, 2 ** 52, 2 ** 52, 0], 0, 16) }), data), message: /needs 0 bytes, but its data_offsets span 16/ },
    { why: "minus zero", path: () => raw('{"x":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}'), message: /invalid shape/ },
    { why: "a hundred axes", path: () => raw(JSON.stringify({ x: entry("F32", Array<number>(100).fill(1), 0, 4) }), data), message: /invalid shape/ },
    { why: "a long name with line ends", path: () => raw(JSON.stringify({ ["a\n".repeat(100_000)]: entry("F31", [4], 0, 16) }), data), message: /^.{1,400}$/ },
    { why: "a device", path: () => "/dev/zero", message: process.platform === "win32" ? /no such file/ : /is a pipe or a device/ },
    { why: "missing file", path: () => join(directory, "nowhere"), message: /cannot read .*nowhere: no such file/ },
    { why: "directory", path: () => directory, message: /it is a directory/ },
  ])("$why", ({ path, message }) => {
    const attempt = (): unknown => readSafetensors(path());
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
  });

  test("a header full of braces in names is no duplicate and no problem", () => {
    const path = raw(JSON.stringify({ '{"x":': entry("F32", [2], 0, 8), '}"y"]': entry("F32", [2], 8, 16) }), data);
    expect([...readSafetensors(path).tensors.keys()]).toEqual(['{"x":', '}"y"]']);
  });

  test("a tensor named __proto__ is one like any other", () => {
    const file = readSafetensors(raw('{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"constructor":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}', data));
    expect([...file.tensors.keys()]).toEqual(["__proto__", "constructor"]);
    expect(file.readFloats("__proto__")).toEqual(new Float32Array(2));
    expect(() => file.readFloats("toString")).toThrow(/holds no tensor "toString"/);
  });

  test("a name of ten million characters takes no stack", () => {
    const name = "\\\\".repeat(5_000_000);
    expect(readSafetensors(raw(`{"${name}":${JSON.stringify(entry("F32", [4], 0, 16))}}`, data)).tensors.size).toBe(1);
  });

  test.skipIf(process.platform === "win32")("a named pipe that nobody writes into is not waited for", () => {
    const path = fresh();
    spawnSync("mkfifo", [path]);
    expect(() => readSafetensors(path)).toThrow(/is a pipe or a device/);
  });

  test.skipIf(process.platform === "win32")("files beyond 2 GiB: what lies behind is read, what does not fit in memory is said to", () => {
    const size = 2 ** 42;
    const path = raw(JSON.stringify({ great: entry("U8", [size], 0, size), x: entry("F32", [1], size, size + 4) }));
    const start = readFileSync(path).length;
    truncateSync(path, start + size + 4); // holes take no room
    const handle = openSync(path, "r+");
    writeSync(handle, new Uint8Array(Float32Array.of(2.5).buffer), 0, 4, start + size);
    closeSync(handle);
    const file = readSafetensors(path);
    expect(file.readFloats("x")).toEqual(Float32Array.of(2.5));
    if (constants.MAX_LENGTH < size) expect(() => file.readBytes("great")).toThrow(EnvironmentError);
    rmSync(path);
  });

  test("a file that shrinks after its header was read", () => {
    const path = raw(valid, data);
    const file = readSafetensors(path);
    writeFileSync(path, readFileSync(path).subarray(0, 70));
    expect(() => file.readFloats("x")).toThrow(/changed while it was being read/);
  });

  test("a tensor that is not there", () => {
    expect(() => readSafetensors(raw(valid, data)).readFloats("y")).toThrow(/holds no tensor "y"/);
  });

  test("any damage to any byte of the header region gives a UserError or a sound file", () => {
    const bytes = readFileSync(raw(valid, data));
    const path = fresh();
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 17), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(bytes.length), (changes, length) => {
        const damaged = Buffer.from(bytes);
        for (const [at, value] of changes) damaged[at] = value;
        writeFileSync(path, damaged.subarray(0, length % 3 === 0 ? length : bytes.length));
        try {
          const file = readSafetensors(path);
          for (const name of file.tensors.keys()) file.readBytes(name);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});

describe("writeAtomic", () => {
  test("replaces a file, makes directories, leaves nothing else", () => {
    const folder = fresh();
    const path = join(folder, "deep", "file.txt");
    writeAtomic(path, "old");
    writeAtomic(path, Buffer.from("new"));
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readdirSync(join(folder, "deep"))).toEqual(["file.txt"]);
  });

  test("keeps the old file when the content fails halfway", () => {
    const folder = fresh();
    const path = join(folder, "file");
    writeAtomic(path, "old");
    const failing = function* (): Generator<Uint8Array> {
      yield Buffer.from("half of the new");
      throw new RangeError("no more");
    };
    expect(() => writeAtomicChunks(path, failing())).toThrow(RangeError);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  test.skipIf(process.platform === "win32")("keeps the old file when there is no room, and names the path", () => {
    const path = join(fresh(), "file");
    writeAtomic(path, "old");
    const script = `
      const { writeAtomic } = await import(${JSON.stringify(new URL("../runtime/files/write-atomic.ts", import.meta.url).href)});
      const { exitStatusOf } = await import(${JSON.stringify(new URL("../runtime/errors.ts", import.meta.url).href)});
      try { writeAtomic(${JSON.stringify(path)}, new Uint8Array(1 << 20)); } catch (error) { console.log(error.message); process.exitCode = exitStatusOf(error); }`;
    // A limit on the size of files is the full disk that needs no privileges.
    const result = spawnSync(
      "bash", ["-c", `ulimit -f 64; exec "$0" --import tsx --input-type=module -e "$1"`, process.execPath, script], { encoding: "utf8" },
    );
    expect(result.stdout).toContain(`cannot write ${path}: the disk is full`);
    expect(result.status).toBe(2);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(join(path, ".."))).toEqual(["file"]);
  });

  test("removes what a killed writer left, but not a living one's", () => {
    const folder = fresh();
    mkdirSync(folder);
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    writeFileSync(join(folder, `.file.tmp-${dead}-aa`), "");
    writeFileSync(join(folder, `.file.tmp-${process.ppid}-bb`), "");
    writeFileSync(join(folder, `.other.tmp-${dead}-cc`), "");
    writeAtomic(join(folder, "file"), "x");
    expect(readdirSync(folder).sort()).toEqual([`.file.tmp-${process.ppid}-bb`, `.other.tmp-${dead}-cc`, "file"].sort());
  });

  test("a path through a file is the user's mistake", () => {
    const path = fresh();
    writeFileSync(path, "");
    expect(() => writeAtomic(join(path, "below"), "x")).toThrow(UserError);
    expect(() => writeAtomic(join(path, "below"), "x")).toThrow(/cannot write .*below: a part of the path is/);
    expect(existsSync(path)).toBe(true);
  });

  test.each(["ENOSPC", "EDQUOT"])("%s is the environment's fault", (code) => {
    const error = cannotWrite("runs/a", Object.assign(new Error("write"), { code }));
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(error.message).toContain("cannot write runs/a: the disk is full");
    expect(exitStatusOf(error)).toBe(2);
  });
});
