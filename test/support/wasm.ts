/** A kernel of its own text, compiled to WebAssembly and run on the calling thread. */
import { assemble } from "../../compiler/wasm/index.ts";

declare const WebAssembly: {
  readonly Memory: new (size: object) => { readonly buffer: SharedArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** Bytes between two buffers. */
const ROOM = 1 << 16;

interface Types {
  readonly x: string;
  readonly y: string;
  /** Functions and workgroup variables in front of main. */
  readonly module?: string;
}

/**
 * @param body of main, in which `i` is the number of the invocation; it sees the arrays x and y of these element types
 * @returns the bytes of y [count], after y = body(x) for i < count
 */
export function runKernel(body: string, x: Float32Array | Uint32Array, yBytes: number, count: number, types: Types): ArrayBuffer {
  const wgsl = `
struct Sizes { count: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<${types.x}>;
@group(0) @binding(2) var<storage, read_write> y: array<${types.y}>;
${types.module ?? ""}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 64u + lane;
  if (i >= sizes.count) { return; }
  ${body}
}`;
  const pages = Math.ceil((x.byteLength + yBytes + 3 * ROOM) / ROOM) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 1 << 16, shared: true });
  const module = new WebAssembly.Module(assemble([{ name: "test", wgsl, access: ["read", "read_write"] }]));
  const run = new WebAssembly.Instance(module, { moeut: { memory } }).exports["k0"] as (...values: number[]) => void;
  const y = Math.ceil((ROOM + x.byteLength) / 64) * 64;
  new Uint32Array(memory.buffer, 0, 1).set([count]);
  new Uint8Array(memory.buffer, ROOM).set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
  run(0, 64, 0, Math.ceil(count / 64), ROOM, y);
  return new Uint8Array(memory.buffer, y, yBytes).slice().buffer;
}
