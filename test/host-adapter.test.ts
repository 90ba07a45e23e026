import { describe, expect, test } from "vitest";
import { choicesFrom, kindOf, type Candidate } from "../runtime/adapter/choose.ts";
import { readTar } from "../runtime/adapter/tar.ts";

const LAVAPIPE: Candidate = { source: "system", name: "llvmpipe (LLVM 15.0.6, 256 bits)", kind: "lavapipe" };
const SWIFTSHADER: Candidate = { source: "bundled", name: "SwiftShader Device (Subzero)", kind: "swiftshader" };
const GPU: Candidate = { source: "system", name: "NVIDIA H200", kind: "gpu" };
const CPU: Candidate = { source: "system", name: "CPU (Intel(R) Xeon(R) Processor)", kind: "cpu" };
const NULL: Candidate = { source: "null", name: "null", kind: "null" };

describe("choice of adapter", () => {
  test.each([
    { why: "a GPU beats the processor", candidates: [SWIFTSHADER, LAVAPIPE, CPU, GPU, NULL], want: [GPU, CPU, LAVAPIPE, SWIFTSHADER] },
    { why: "the processor beats software drivers", candidates: [SWIFTSHADER, LAVAPIPE, CPU, NULL], want: [CPU, LAVAPIPE, SWIFTSHADER] },
    { why: "lavapipe beats SwiftShader", candidates: [SWIFTSHADER, LAVAPIPE, NULL], want: [LAVAPIPE, SWIFTSHADER] },
    { why: "the null adapter is never chosen by itself", candidates: [NULL], want: [] },
  ])("$why", ({ candidates, want }) => {
    expect(choicesFrom(candidates, null).map((choice) => choice.candidate)).toEqual(want);
  });

  test.each([
    { name: "swiftshader", want: SWIFTSHADER },
    { name: "LavaPipe", want: LAVAPIPE },
    { name: "llvm", want: LAVAPIPE },
    { name: "gpu", want: GPU },
    { name: "h200", want: GPU },
    { name: "cpu", want: CPU },
    { name: "xeon", want: CPU },
    { name: "null", want: NULL },
  ])("a request for $name", ({ name, want }) => {
    const choices = choicesFrom([SWIFTSHADER, LAVAPIPE, GPU, CPU, NULL], { name, origin: "MOEUT_ADAPTER" });
    expect(choices).toEqual([{ candidate: want, why: `forced by MOEUT_ADAPTER ${name}` }]);
  });

  test.each([
    ["llvmpipe (LLVM 19.1.7, 256 bits)", "lavapipe"],
    ["SwiftShader Device (Subzero)", "swiftshader"],
    ["AMD Radeon RX 7900 XTX (RADV NAVI31)", "gpu"],
    ["Apple M3", "gpu"],
  ])("%s is of kind %s", (name, kind) => {
    expect(kindOf(name)).toBe(kind);
  });
});

describe("tar", () => {
  const header = (name: string, size: string, type = "0"): Buffer => {
    const block = Buffer.alloc(512);
    block.write(name, 0);
    block.write(size, 124);
    block.write(type, 156);
    block.write("ustar\0", 257);
    return block;
  };
  const padded = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc((512 - (text.length % 512)) % 512)]);
  const end = Buffer.alloc(1024);

  test("reads regular files and leaves the rest out", () => {
    const archive = Buffer.concat([header("dir/", "00000000000", "5"), header("dir/a", "00000000003"), padded("abc"), header("empty", "0"), header("link", "0", "2"), end]);
    const files = readTar(archive).map(({ name, data }) => [name, Buffer.from(data).toString()]);
    expect(files).toEqual([["dir/a", "abc"], ["empty", ""]]);
  });

  test.each([
    { why: "truncated", archive: Buffer.concat([header("a", "00000002000"), padded("abc")]), message: "ends inside a file" },
    { why: "absolute name", archive: Buffer.concat([header("/etc/passwd", "0"), end]), message: "unsafe name" },
    { why: "name that climbs out", archive: Buffer.concat([header("a/../../b", "0"), end]), message: "unsafe name" },
    { why: "size that is no number", archive: Buffer.concat([header("a", "zz"), end]), message: "not octal" },
  ])("refuses an archive: $why", ({ archive, message }) => {
    expect(() => readTar(archive)).toThrow(message);
  });
});
