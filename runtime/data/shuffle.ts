/** 32-bit mixing function (the finalizer of MurmurHash3): every input bit moves about half of the output bits. */
function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A number in [0, 1) with 53 random bits that depends on nothing but its arguments. */
function uniform(seed: number, stream: number, index: number): number {
  const key = mix(mix(mix(seed) ^ stream) + 0x9e3779b9);
  const high = mix(mix(index) ^ key);
  const low = mix(mix(index + 0x7f4a7c15) ^ Math.imul(key, 0x2c1b3c6d));
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/** A permutation of 0 … n − 1 (Fisher and Yates) that depends on nothing but its arguments. */
export function permutation(n: number, seed: number, stream: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform(seed, stream, i) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
