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

/** @param seed whole number from 0 to 2⁵³ − 1 @param stream what the numbers are for: streams of other names are independent */
export function createRandom(seed: number, stream: string): Random {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const [high, low] = hash(stream);
  const counter = new Uint32Array([0, 0, low, high]);
  const words = new Uint32Array(4);
  let current = -1; // the block in `words`: neighbours share one
  const load = (block: number): void => {
    if (block === current) return;
    counter[0] = block;
    counter[1] = Math.floor(block / 2 ** 32);
    philox(counter, key, words);
    current = block;
  };
  const fraction = (at: number): number => ((words[at]! >>> 5) * 2 ** 26 + (words[at + 1]! >>> 6)) / 2 ** 53; // 53 bits in [0, 1)
  return {
    uniform: (i) => (load(Math.floor(i / 2)), fraction(i % 2 === 0 ? 0 : 2)),
    normal: (i) => (load(Math.floor(i / 2)), boxMuller(fraction(0), fraction(2), i % 2 === 1)),
    uint32: (i) => (load(Math.floor(i / 4)), words[i % 4]!),
  };
}

/** One of the two independent normal numbers that two uniform ones give (Box and Muller 1958). */
function boxMuller(u: number, v: number, second: boolean): number {
  const radius = Math.sqrt(-2 * Math.log(1 - u)); // of (0, 1]: log 0 does not occur
  return radius * (second ? Math.sin(2 * Math.PI * v) : Math.cos(2 * Math.PI * v));
}

/** Philox4x32 with 10 rounds: four random words from a counter of four words and a key of two. */
export function philox(counter: Uint32Array, key: readonly [number, number], out: Uint32Array): void {
  let [c0, c1, c2, c3] = [counter[0]!, counter[1]!, counter[2]!, counter[3]!];
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0; // golden ratio
    k1 = (k1 + 0xbb67ae85) >>> 0; // √3 − 1
  }
  out.set([c0, c1, c2, c3]);
}

/** High word of a 32 × 32 bit product. Every partial sum stays below 2³². */
function multiplyHigh(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16);
}

/** Two hashes of a name, the second of its reverse. */
const hash = (name: string): readonly [number, number] => [fnv1a(name), fnv1a(name.split("").reverse().join(""))];

/** 32-bit FNV-1a hash of a text's code units. */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}
