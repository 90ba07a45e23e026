/**
 * Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), as on
 * the host in runtime/standalone/random.ts. WGSL has no 64-bit product, so the high word is put together from 16-bit halves.
 */
import type { Distribution } from "../ir/graph.ts";
import type { Kernel } from "../ir/plan.ts";
import { WIDTH } from "./gather.ts";
import { FLAT_INDEX, kernelText, read, write } from "./text.ts";

const PHILOX = `
fn multiply_high(a: u32, b: u32) -> u32 {
  let middle = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
  let carry = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (carry >> 16u);
}
fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let high = vec2u(multiply_high(0xd2511f53u, c.x), multiply_high(0xcd9e8d57u, c.z));
    c = vec4u(high.y ^ c.y ^ k.x, 0xcd9e8d57u * c.z, high.x ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
fn fractions(words: vec4u) -> vec4f { return vec4f(words >> vec4u(8u)) * ${2 ** -24}; } // in [0, 1), exact`;

const NUMBERS: Readonly<Record<Distribution, string>> = {
  uniform: "fn numbers_of(words: vec4u) -> vec4f { return fractions(words); }",
  normal: `
fn numbers_of(words: vec4u) -> vec4f {
  let f = fractions(words);
  let radius = sqrt(max(vec2f(), -2.0 * log(1.0 - f.xz))); // 1 − f is in (0, 1]
  let angle = ${Math.fround(2 * Math.PI)} * (f.yw - 0.5); // in [−π, π), where cos and sin are exact to 2⁻¹¹
  let x = radius * cos(angle);
  let y = radius * sin(angle);
  return vec4f(x.x, y.x, x.y, y.y);
}`,
};

/**
 * Sizes: rows, rows_per_token, positions, columns, stride (stored columns), blocks (of four columns), stream. One invocation per block.
 * Error: none for uniform; for normal that of WGSL's log, cos and sin, times the radius.
 */
export const randomKernel = (distribution: Distribution): Kernel => kernelText({
  name: `random_${distribution}`,
  doc: ["Random numbers: each a function of key, stream, sequence, position and place within the token's row.", "Work: 20 wide products per four numbers."],
  sizes: ["rows", "rows_per_token", "positions", "columns", "stride", "blocks", "stream"],
  storage: [read("noise", "u32", "[4] key, first sequence, 1 if sequences differ"), read("position", "u32", "[1]"), write("drawn", "f32", "[rows, stride]")],
  workgroupSize: WIDTH,
  module: `${PHILOX}\n${NUMBERS[distribution]}`,
  body: `let i = ${FLAT_INDEX} * ${WIDTH}u + lane;
if (i >= sizes.rows * sizes.blocks) { return; }
let row = i / sizes.blocks;
let block = i % sizes.blocks;
let token = row / sizes.rows_per_token;
let sequence = noise[3] * (noise[2] + token / sizes.positions);
let counter = vec4u((row % sizes.rows_per_token) * sizes.blocks + block, position[0] + token % sizes.positions, sequence, sizes.stream);
let numbers = numbers_of(philox(counter, vec2u(noise[0], noise[1])));
for (var j = 0u; j < 4u; j++) {
let column = 4u * block + j;
if (column < sizes.stride) { drawn[row * sizes.stride + column] = select(0.0, numbers[j], column < sizes.columns); }
}`,
});
