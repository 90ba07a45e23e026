/**
 * Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) on bytes: the most frequent pair of neighbours becomes a token, again and
 * again. The same counts give the same merges, those of the library `tokenizers` (Hugging Face) with the same settings: of pairs that are
 * equally frequent the one with the lower numbers comes first.
 */
import { ALPHABET } from "../standalone/tokenizer/byte-level.ts";

export interface Merge {
  readonly left: number; // tokens
  readonly right: number;
}

export interface TrainOptions {
  readonly vocabSize: number;
  /** Tokens in front of the alphabet that no text contains. */
  readonly special: number;
  /** Called with the number of merges so far, every hundred. */
  readonly onProgress?: (merges: number) => void;
}

/**
 * @param counts words and how often they occur
 * @returns at most vocabSize − special − 256 merges, in order; fewer if no pair is left. The n-th makes token special + 256 + n. Byte b is
 * token special + its place in ALPHABET.
 */
export function trainMerges(counts: ReadonlyMap<string, number>, { vocabSize, special, onProgress }: TrainOptions): readonly Merge[] {
  const symbols = createSymbols(counts, special);
  const queue = createQueue();
  for (const [key, pair] of symbols.pairs) if (pair.count > 0) queue.push(key, pair.count);
  const merges: Merge[] = [];
  for (let token = special + ALPHABET.length; token < vocabSize; token++) {
    const key = queue.pop((candidate) => symbols.pairs.get(candidate)?.count ?? 0);
    if (key === null) break;
    merges.push({ left: leftOf(key), right: rightOf(key) });
    for (const made of symbols.merge(key, token)) queue.push(made, symbols.pairs.get(made)!.count);
    if (merges.length % 100 === 0) onProgress?.(merges.length);
  }
  return merges;
}

/** Two tokens as one number, in the order of the left one, then of the right one. */
const SHIFT = 2 ** 24;
const keyOf = (left: number, right: number): number => left * SHIFT + right;
const leftOf = (key: number): number => Math.floor(key / SHIFT);
const rightOf = (key: number): number => key % SHIFT;

interface Pair {
  /** Occurrences in the text: those in a word count as often as the word. */
  count: number;
  /** Where its left half stands, or stood. */
  readonly places: number[];
}

interface Symbols {
  readonly pairs: ReadonlyMap<number, Pair>;
  /** Makes a token of every occurrence of a pair, from left to right. @returns the pairs that came into being */
  merge(key: number, token: number): ReadonlySet<number>;
}

/** All words behind each other, token by token, as a list from which tokens can be taken out. */
function createSymbols(counts: ReadonlyMap<string, number>, special: number): Symbols {
  let length = 0;
  for (const word of counts.keys()) length += Buffer.byteLength(word);
  const [token, next, previous] = [new Int32Array(length), new Int32Array(length), new Int32Array(length)];
  const weight = new Float64Array(length); // of the word
  const pairs = new Map<number, Pair>();
  const tokenOf = Int32Array.from({ length: 256 }, (_, byte) => special + ALPHABET.indexOf(byte));

  const change = (left: number, right: number, by: number, place: number | null): number => {
    const key = keyOf(left, right);
    const pair = pairs.get(key) ?? { count: 0, places: [] };
    pair.count += by;
    if (place !== null) pair.places.push(place);
    pairs.set(key, pair);
    return key;
  };

  let at = 0;
  for (const [word, count] of counts) {
    const bytes = Buffer.from(word);
    for (let i = 0; i < bytes.length; i++, at++) {
      token[at] = tokenOf[bytes[i]!]!;
      weight[at] = count;
      previous[at] = i === 0 ? -1 : at - 1;
      next[at] = i === bytes.length - 1 ? -1 : at + 1;
      if (i > 0) change(token[at - 1]!, token[at]!, count, at - 1);
    }
  }

  return {
    pairs,
    merge(key, made) {
      const [left, right] = [leftOf(key), rightOf(key)];
      const born = new Set<number>();
      const { places } = pairs.get(key)!;
      pairs.delete(key);
      for (const place of places.sort((a, b) => a - b)) {
        const second = next[place]!;
        if (token[place] !== left || second < 0 || token[second] !== right) continue; // it was merged into something else
        const [before, behind, count] = [previous[place]!, next[second]!, weight[place]!];
        if (before >= 0) {
          change(token[before]!, left, -count, null);
          born.add(change(token[before]!, made, count, before));
        }
        if (behind >= 0) {
          change(right, token[behind]!, -count, null);
          born.add(change(made, token[behind]!, count, place));
          previous[behind] = place;
        }
        token[place] = made;
        token[second] = -1;
        next[place] = behind;
      }
      pairs.delete(key); // neighbours that were the same pair again counted down what is gone
      return born;
    },
  };
}

interface Queue {
  push(key: number, count: number): void;
  /** The pair that is most frequent now. @param countOf how frequent a pair is now */
  pop(countOf: (key: number) => number): number | null;
}

/** A binary heap: the most frequent pair first, of equally frequent ones that with the lower key. Counts that fell are looked up again. */
function createQueue(): Queue {
  const heap: { readonly key: number; readonly count: number }[] = [];
  const isBefore = (i: number, j: number): boolean => {
    const [a, b] = [heap[i]!, heap[j]!];
    return a.count !== b.count ? a.count > b.count : a.key < b.key;
  };
  const swap = (i: number, j: number): void => {
    [heap[i], heap[j]] = [heap[j]!, heap[i]!];
  };
  const push = (key: number, count: number): void => {
    let i = heap.push({ key, count }) - 1;
    for (let parent = (i - 1) >> 1; i > 0 && isBefore(i, parent); i = parent, parent = (i - 1) >> 1) swap(i, parent);
  };
  const take = (): { readonly key: number; readonly count: number } | null => {
    if (heap.length === 0) return null;
    swap(0, heap.length - 1);
    const top = heap.pop()!;
    for (let i = 0; ;) {
      const [a, b] = [2 * i + 1, 2 * i + 2];
      const child = b < heap.length && isBefore(b, a) ? b : a;
      if (child >= heap.length || !isBefore(child, i)) return top;
      swap(i, child);
      i = child;
    }
  };
  return {
    push,
    pop(countOf) {
      for (let top = take(); top !== null; top = take()) {
        const count = countOf(top.key);
        if (count === top.count && count > 0) return top.key;
        if (count > 0) push(top.key, count);
      }
      return null;
    },
  };
}
