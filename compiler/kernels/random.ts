/**
 * Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), as on
 * the host in runtime/standalone/random.ts. WGSL has no 64-bit product, so the high word is put together from 16-bit halves.
 */
import type { Distribution } from "../ir/graph.ts";
import { oneEach, read, wgsl, write, type KernelParts } from "./text.ts";
import { WIDTH } from "./tiles.ts";

/** A counter of four words and a key → four words, and such words → four fractions. */
const PHILOX = wgsl`
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
  fn fractions(words: vec4u) -> vec4f { return vec4f(words >> vec4u(8u)) * ${2 ** -24}; } // in [0, 1), exact
`;

/** Σ cᵢ xⁱ */
const horner = (x: string, coefficients: readonly number[]): string =>
  coefficients.slice(0, -1).reduceRight((rest, c) => `(${c} + ${x} * ${rest})`, `${coefficients.at(-1)!}`);

/**
 * Box and Muller: two fractions → two numbers, twice. WGSL promises log and cos to 2⁻²¹ and 2⁻¹¹ only, and adapters differ: where that
 * shows, series of their own take their place.
 */
const NORMAL = wgsl`
  fn minus_log_of_rest(u: vec2f) -> vec2f { // −ln(1 − u): up to a half 2 artanh s, s = u / (2 − u)
    let s = u / (2.0 - u);
    let s2 = s * s;
    let series = 2.0 * s * ${horner("s2", [1, 1 / 3, 1 / 5, 1 / 7, 1 / 9, 1 / 11])};
    return select(-log(1.0 - u), series, u < vec2f(0.5));
  }
  fn numbers_of(words: vec4u) -> vec4f {
    let f = fractions(words);
    let radius = sqrt(2.0 * minus_log_of_rest(f.xz));
    let turns = f.yw - 0.5;
    let quarter = round(4.0 * turns); // −2 … 2
    let t = ${2 * Math.PI} * (turns - 0.25 * quarter); // the difference is exact, its angle at most π/4
    let t2 = t * t;
    let c = ${horner("t2", [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320])};
    let s = t * ${horner("t2", [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880])};
    let odd = abs(quarter) == vec2f(1.0);
    let flip = 1.0 - abs(quarter);
    let x = radius * select(flip * c, -quarter * s, odd);
    let y = radius * select(flip * s, quarter * c, odd);
    return vec4f(x.x, y.x, x.y, y.y);
  }
`;

const NUMBERS: Readonly<Record<Distribution, string>> = {
  uniform: "fn numbers_of(words: vec4u) -> vec4f { return fractions(words); }",
  normal: NORMAL,
};

/** Counter of four columns of a token's row: the same whatever the batch, and behind a cache. */
const COUNTER = wgsl`
  let row = i / sizes.blocks;
  let block = i % sizes.blocks;
  let token = row / sizes.rows_per_token;
  let sequence = noise[3] * (noise[2] + token / sizes.positions);
  let counter = vec4u((row % sizes.rows_per_token) * sizes.blocks + block, position[0] + token % sizes.positions, sequence, sizes.stream);
`;

/**
 * Sizes: rows, rows_per_token, positions, columns, stride (stored columns), blocks (of four columns), stream. One invocation per block.
 * Error: none for uniform; for normal a few roundings of the radius, which is at most 5.8: below 2⁻¹⁷.
 */
export const randomKernel = (distribution: Distribution): KernelParts => ({
  name: `random_${distribution}`,
  doc: ["Random numbers: each a function of key, stream, sequence, position and place within the token's row.",
    "Work: 20 wide products per four numbers."],
  sizes: ["rows", "rows_per_token", "positions", "columns", "stride", "blocks", "stream"],
  storage: [read("noise", "u32", "[4] key, first sequence, 1 if sequences differ"), read("position", "u32", "[1]"),
    write("drawn", "f32", "[rows, stride]")],
  workgroupSize: WIDTH,
  module: wgsl`
    ${PHILOX}
    ${NUMBERS[distribution]}
  `,
  body: wgsl`
    ${oneEach("i", "sizes.rows * sizes.blocks")}
    ${COUNTER}
    let numbers = numbers_of(philox(counter, vec2u(noise[0], noise[1])));
    for (var j = 0u; j < 4u; j++) {
      let column = 4u * block + j;
      if (column < sizes.stride) { drawn[row * sizes.stride + column] = select(0.0, numbers[j], column < sizes.columns); }
    }
  `,
});
