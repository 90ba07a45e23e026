/** Log probabilities of many short texts: batched with others of about the same length, so that little is computed for padding. */
import { NO_NOISE, writeNoise } from "../standalone/noise.ts";
import { writePositions } from "../standalone/positions.ts";
import type { Executor, HostArray } from "../standalone/types.ts";
import type { Request } from "./requests.ts";

/** Texts of up to `length` predicted tokens, which run together. */
export interface Bucket {
  readonly length: number;
  /** Sequences of a batch. */
  readonly batch: number;
  /** Positions that are scored in a batch, at most. */
  readonly rows: number;
  /** Indices into the list of requests, batch by batch. */
  readonly batches: readonly (readonly number[])[];
}

/** The scored tokens of a request, and what the model gave for each. */
export interface Scored {
  readonly tokens: readonly number[];
  /** −log probability in nats. */
  readonly losses: HostArray;
  /** The most probable tokens in their places; null if that was not asked for. */
  readonly best: HostArray | null;
}

/** Positions of a batch, and numbers of its logits, at most; but at least one text. */
const POSITIONS = 2048;
const LOGITS = 2 ** 24;

/**
 * The lengths at which least is computed: a position of padding costs what any other does, and a further bucket, which has a plan of its
 * own, what a batch does.
 */
export function bucketsOf(requests: readonly Request[], vocabSize: number): readonly Bucket[] {
  const byLength: number[][] = [];
  requests.forEach(({ tokens }, i) => (byLength[tokens.length - 1] ??= []).push(i));
  const lengths = Object.keys(byLength).map(Number);
  return cheapestCuts(lengths.map((length) => ({ length, count: byLength[length]!.length }))).map(([first, end]) =>
    bucketOf(lengths[end - 1]!, lengths.slice(first, end).flatMap((length) => byLength[length]!), requests, vocabSize));
}

/** Ranges of the classes, which are in order of length. */
function cheapestCuts(classes: readonly { readonly length: number; readonly count: number }[]): readonly (readonly [number, number])[] {
  const best = [{ cost: 0, first: 0 }]; // of the classes before each
  classes.forEach(({ length }, last) => {
    let [cheapest, texts] = [{ cost: Infinity, first: last }, 0];
    for (let first = last; first >= 0; first--) {
      texts += classes[first]!.count;
      const cost = best[first]!.cost + length * texts + POSITIONS;
      if (cost < cheapest.cost) cheapest = { cost, first };
    }
    best.push(cheapest);
  });
  const cuts: (readonly [number, number])[] = [];
  for (let end = classes.length; end > 0; end = best[end]!.first) cuts.unshift([best[end]!.first, end]);
  return cuts;
}

function bucketOf(length: number, indices: readonly number[], requests: readonly Request[], vocabSize: number): Bucket {
  const most = Math.max(1, Math.floor(Math.min(POSITIONS, LOGITS / vocabSize) / length));
  const batch = Math.ceil(indices.length / Math.ceil(indices.length / most));
  const batches = Array.from({ length: Math.ceil(indices.length / batch) }, (_, i) => indices.slice(i * batch, (i + 1) * batch));
  const scored = (of: readonly number[]): number => of.reduce((sum, i) => sum + requests[i]!.tokens.length - requests[i]!.from, 0);
  return { length, batch, rows: batches.reduce((rows, of) => Math.max(rows, scored(of)), 0), batches };
}

/**
 * Of each request, by its index.
 * @param executor with the entry "score" for the bucket's batch, length and rows
 */
export async function* scoreBucket(
  executor: Executor, bucket: Bucket, requests: readonly Request[],
): AsyncGenerator<readonly [index: number, Scored]> {
  const names = ["score/token_loss", "score/best"].filter((name) => executor.has(name));
  for (const indices of bucket.batches) {
    writeRequests(executor, bucket, indices.map((index) => requests[index]!));
    const { "score/token_loss": losses, "score/best": best = null } = await executor.run(["score"], names);
    let next = 0;
    for (const index of indices) {
      const tokens = requests[index]!.tokens.slice(requests[index]!.from);
      const [first, end] = [next, (next += tokens.length)];
      yield [index, { tokens, losses: losses!.slice(first, end), best: best?.slice(first, end) ?? null }];
    }
  }
}

/** What is not written is 0: padding, and rows whose scores nobody reads. */
function writeRequests(executor: Executor, { length, batch, rows }: Bucket, requests: readonly Request[]): void {
  const [tokens, places, targets] = [batch * length, rows, rows].map((n) => new Uint32Array(n)) as [Uint32Array, Uint32Array, Uint32Array];
  let next = 0;
  requests.forEach(({ tokens: sequence, from }, row) => {
    tokens.set(sequence.slice(0, -1), row * length);
    for (let i = from; i < sequence.length; i++, next++) {
      places[next] = row * length + i - 1;
      targets[next] = sequence[i]!;
    }
  });
  executor.write("score/tokens", tokens);
  executor.write("score/rows", places);
  executor.write("score/targets", targets);
  writePositions(executor, "score", 0);
  writeNoise(executor, "score", NO_NOISE);
}
