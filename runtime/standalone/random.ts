/**
 * Counter-based random numbers: number i of a stream is a pure function of (seed, stream, i), so that nothing has to be
 * carried along or restored.
 *
 * Generator Philox4x32-10, Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */

/** One stream. Indices are whole numbers from 0 to 2⁵³ − 1; the three kinds of numbers of one stream are not independent of each other. */
export interface Random {
  /** [0, 1), with 53 random bits. */
  uniform(i: number): number;
  /** Mean 0, standard deviation 1. */
  normal(i: number): number;
  /** 0 … 2³² − 1. */
  uint32(i: number): number;
}

type Words = readonly [number, number, number, number];

/** @param seed whole number from 0 to 2⁵³ − 1 @param stream what the numbers are for: streams of other names are independent */
export function createRandom(seed: number, stream: string): Random {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const [high, low] = hash(stream);
  let current = -1; // the block computed last, since neighbours share one
  let words: Words = [0, 0, 0, 0];
  const block = (index: number): Words => {
    if (index !== current) words = philox([index >>> 0, Math.floor(index / 2 ** 32) >>> 0, low, high], key);
    current = index;
    return words;
  };
  const pair = (i: number): number => {
    const w = block(Math.floor(i / 2));
    return i % 2 === 0 ? fraction(w[0], w[1]) : fraction(w[2], w[3]);
  };
  return { uniform: pair, normal: (i) => boxMuller(block(Math.floor(i / 2)), i % 2 === 1), uint32: (i) => block(Math.floor(i / 4))[(i % 4) as 0 | 1 | 2 | 3] };
}

/** 53 bits as a number in [0, 1). */
const fraction = (a: number, b: number): number => ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;

/** Two independent normal numbers from one block (Box and Muller 1958). */
function boxMuller(w: Words, second: boolean): number {
  const radius = Math.sqrt(-2 * Math.log(1 - fraction(w[0], w[1]))); // of (0, 1]: log 0 does not occur
  const angle = 2 * Math.PI * fraction(w[2], w[3]);
  return radius * (second ? Math.sin(angle) : Math.cos(angle));
}

/** Philox4x32 with 10 rounds. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0; // golden ratio
    k1 = (k1 + 0xbb67ae85) >>> 0; // √3 − 1
  }
  return [c0, c1, c2, c3];
}

/** High and low word of a 32 × 32 bit product. */
function multiply(a: number, b: number): readonly [number, number] {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000); // < 2³³: exact
  const carry = aLow * bHigh + (middle % 0x10000);
  return [(aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0, Math.imul(a, b) >>> 0];
}

/** Two 32-bit FNV-1a hashes of a name, the second over its reverse. */
function hash(name: string): readonly [number, number] {
  const fnv = (text: readonly string[]): number => text.reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 0x01000193) >>> 0, 0x811c9dc5);
  const units = name.split("");
  return [fnv(units), fnv(units.toReversed())];
}
