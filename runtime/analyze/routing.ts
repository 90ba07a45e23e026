/** What the routers of a model chose for the tokens of a text, and how the residual stream went through the layers. */
import type { RouterSite } from "../../compiler/stack/routers.ts";
import type { ValidationBatch } from "../data/index.ts";
import { countedPositions } from "../evaluate/index.ts";
import { writeBatch } from "../standalone/train-step.ts";
import type { Executor, HostArray } from "../standalone/types.ts";

export interface SiteRouting extends RouterSite {
  /** Of head h, expert e is number h · E + e; −1 where halting skips the token. */
  readonly chosen: Int32Array; // [N, H · K]
  /** Of the softmax of the logits, in nats: a mean over all tokens, skipped ones as well, and heads, 0 to ln E. */
  readonly entropy: number;
}

/** The residual stream behind an application: means over tokens. */
export interface SiteState {
  readonly site: number;
  /** Root mean square of its entries. */
  readonly rms: number;
  /** ‖x − before‖ / ‖before‖, `before` being the stream behind the application before, or the embedding. */
  readonly update: number;
  /** Cross-entropy in nats per token if the head reads this stream. */
  readonly loss: number;
}

export interface Routing {
  /** What the routers saw. */
  readonly tokens: Uint32Array; // [N]
  /** Where in `tokens` each window begins. */
  readonly starts: readonly number[];
  readonly sites: readonly SiteRouting[];
  readonly states: readonly SiteState[];
  /** The residual stream at the first tokens, as many as were to be kept: behind the embedding and each layer, [n, D]. */
  readonly streams: readonly Float32Array[];
}

const streamNames = (depth: number): readonly string[] => ["embed_out", ...Array.from({ length: depth }, (_, site) => `layers.${site}`)];
const lossName = (site: number): string => `token_loss.${site}`;
const selectionName = ({ output, site }: RouterSite): string => `sel.${output}.${site}`;
const logitsName = ({ output, site }: RouterSite): string => `router.${output}.${site}`;

/** Outputs of "evaluate", compiled with a lens, that must be readable. @param depth applications of layers */
export const keptOutputs = (sites: readonly RouterSite[], depth: number): readonly string[] => [
  ...streamNames(depth), ...Array.from({ length: depth }, (_, site) => lossName(site)),
  ...sites.flatMap((site) => [selectionName(site), logitsName(site)]),
];

/**
 * Runs "evaluate" over batches of the size it was planned for. Positions without a target are padding and left out.
 * @param kept tokens whose streams are kept, at most
 */
export async function recordRouting(
  executor: Executor, sites: readonly RouterSite[], depth: number, batches: Iterable<ValidationBatch>,
  onBatch: (windows: number) => void = () => {}, kept = 0,
): Promise<Routing> {
  const outputs = keptOutputs(sites, depth).map((name) => `evaluate/${name}`);
  const seqLen = executor.shape("evaluate/tokens")[1]!;
  const parts: Part[] = [];
  let [windows, left] = [0, kept];
  for (const batch of batches) {
    writeBatch(executor, "evaluate", batch);
    const read = await executor.run(["evaluate"], outputs);
    const counted = { batch, windows: countedPositions(batch, seqLen), kept: left };
    parts.push(partOf(sites, depth, counted, (name) => read[`evaluate/${name}`]!));
    left = Math.max(0, left - counted.windows.flat().length);
    onBatch(windows += batch.scoredFrom.length);
  }
  return joined(sites, depth, parts);
}

/** What one batch adds; numbers are sums over its tokens. */
interface Part {
  /** Tokens of each window. */
  readonly windows: readonly (readonly number[])[];
  /** Of each router. */
  readonly chosen: readonly (readonly number[])[];
  readonly entropy: readonly number[];
  /** Of each application. */
  readonly states: readonly Omit<SiteState, "site">[];
  readonly streams: readonly Float32Array[];
}

interface Counted {
  readonly batch: ValidationBatch;
  /** Positions in the batch that count, of each window. */
  readonly windows: readonly (readonly number[])[];
  /** Of how many of them the streams are kept. */
  readonly kept: number;
}

function partOf(sites: readonly RouterSite[], depth: number, { batch, windows, kept }: Counted, read: (output: string) => HostArray): Part {
  const positions = windows.flat();
  const streams = streamNames(depth).map(read);
  const width = streams[0]!.length / batch.tokens.length;
  return {
    windows: windows.map((window) => window.map((position) => batch.tokens[position]!)),
    chosen: sites.map((site) => chosenAt(site, read(selectionName(site)), positions)),
    entropy: sites.map((site) => entropyAt(site, read(logitsName(site)), positions)),
    states: streams.slice(1).map((x, site) => ({
      ...stateAt(x, streams[site]!, width, positions), loss: sumAt(read(lossName(site)), positions),
    })),
    streams: streams.map((x) => rowsAt(x as Float32Array, width, positions.slice(0, kept))),
  };
}

/** @param selection [B, T, H, K] */
const chosenAt = ({ heads, nExperts, topK }: RouterSite, selection: HostArray, positions: readonly number[]): readonly number[] =>
  positions.flatMap((position) => Array.from({ length: heads * topK }, (_, slot) => {
    const expert = selection[position * heads * topK + slot]!;
    return expert < 0 ? -1 : Math.floor(slot / topK) * nExperts + expert;
  }));

/** Sum over positions of the mean over heads. @param logits [B, T, H, E] */
function entropyAt({ heads, nExperts }: RouterSite, logits: HostArray, positions: readonly number[]): number {
  let sum = 0;
  for (const position of positions) {
    for (let head = 0; head < heads; head++) {
      const first = (position * heads + head) * nExperts;
      sum += softmaxEntropy(logits.subarray(first, first + nExperts)) / heads;
    }
  }
  return sum;
}

/** log Σ exp(l) − Σ p · l, with the greatest logit taken off. */
function softmaxEntropy(logits: ArrayLike<number>): number {
  const greatest = Math.max(...Array.from(logits));
  const shifted = Array.from(logits, (logit) => logit - greatest);
  const weights = shifted.map(Math.exp);
  const total = weights.reduce((a, b) => a + b, 0);
  return Math.log(total) - shifted.reduce((sum, logit, i) => sum + logit * weights[i]! / total, 0);
}

const sumAt = (values: HostArray, positions: readonly number[]): number =>
  positions.reduce((sum, position) => sum + values[position]!, 0);

function rowsAt(x: Float32Array, width: number, positions: readonly number[]): Float32Array {
  const rows = new Float32Array(positions.length * width);
  positions.forEach((position, i) => rows.set(x.subarray(position * width, (position + 1) * width), i * width));
  return rows;
}

/** @param x, before [B, T, D] @param width D */
function stateAt(
  x: HostArray, before: HostArray, width: number, positions: readonly number[],
): Pick<SiteState, "rms" | "update"> {
  let [rms, update] = [0, 0];
  for (const position of positions) {
    let [square, changed, earlier] = [0, 0, 0];
    for (let i = position * width; i < (position + 1) * width; i++) {
      square += x[i]! ** 2;
      changed += (x[i]! - before[i]!) ** 2;
      earlier += before[i]! ** 2;
    }
    rms += Math.sqrt(square / width);
    update += Math.sqrt(changed / earlier);
  }
  return { rms, update };
}

function joined(sites: readonly RouterSite[], depth: number, parts: readonly Part[]): Routing {
  const windows = parts.flatMap((part) => part.windows);
  const tokens = Uint32Array.from(windows.flat());
  const mean = (of: (part: Part) => number): number => parts.reduce((sum, part) => sum + of(part), 0) / tokens.length;
  let at = 0;
  return {
    tokens, starts: windows.map(({ length }) => (at += length) - length),
    sites: sites.map((site, i) => ({
      ...site, chosen: Int32Array.from(parts.flatMap(({ chosen }) => chosen[i]!)), entropy: mean(({ entropy }) => entropy[i]!),
    })),
    states: (parts[0]?.states ?? []).map((_, site) => ({
      site, rms: mean(({ states }) => states[site]!.rms), update: mean(({ states }) => states[site]!.update),
      loss: mean(({ states }) => states[site]!.loss),
    })),
    streams: streamNames(depth).map((_, i) => concatenated(parts.map(({ streams }) => streams[i]!))),
  };
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}
