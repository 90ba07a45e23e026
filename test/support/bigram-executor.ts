/**
 * An Executor without a device: a bigram model, logits[v] = table[token, v] + bias[v], trained by AdamW in plain loops. Real enough
 * to learn, to be saved and to be resumed; small enough for unit tests. The table is two parameters that are parts of one official tensor.
 */
import type { ParamPlan } from "../../runtime/standalone/plan.ts";
import { UPDATE, type Executor, type HostArray } from "../../runtime/standalone/types.ts";

export interface BigramOptions {
  readonly vocabSize: number; // V, even
  readonly batch: number;
  readonly seqLen: number;
  /** Positions that one prefill run reads. */
  readonly chunk?: number;
  /** Makes the gradient of "bias" infinite in this update, counted from 1. */
  readonly breakAt?: number;
}

export interface BigramExecutor extends Executor {
  /** Positions of the tokens that the cache holds, as written by prefill and decode. */
  readonly cache: Int32Array;
}

export const bigramParams = (V: number): readonly ParamPlan[] => {
  const official = (tensor: string, shape: readonly number[], start: number) => ({ tensor, shape, start });
  const init = { kind: "normal", std: 0.1 } as const;
  return [
    { name: "table.low", shape: [V / 2, V], official: official("table.weight", [V, V], 0), init },
    { name: "table.high", shape: [V / 2, V], official: official("table.weight", [V, V], (V / 2) * V), init },
    { name: "bias", shape: [V], official: official("bias", [V], 0), init: { kind: "zeros" } },
  ];
};

export function createBigram({ vocabSize: V, batch, seqLen, chunk = 4, breakAt = 0 }: BigramOptions): BigramExecutor {
  const params = bigramParams(V);
  const shapes: Record<string, readonly number[]> = {
    update: [8], metrics: [8], "train/tokens": [batch, seqLen], "train/targets": [batch, seqLen], "train/loss_scale": [1], "train/position": [1], "evaluate/position": [1],
    "evaluate/tokens": [batch, seqLen], "evaluate/targets": [batch, seqLen], "evaluate/token_loss": [batch, seqLen, 1],
    "evaluate/best": [batch, seqLen, 1],
    "prefill/tokens": [1, chunk], "prefill/position": [1], "prefill/last": [1, 1], "prefill/logits": [1, 1, V],
    "decode/tokens": [1, 1], "decode/position": [1], "decode/last": [1, 1], "decode/logits": [1, 1, V],
  };
  for (const { name, shape } of params) for (const kind of ["param", "grad", "adam_m", "adam_v"]) shapes[`${kind}/${name}`] = shape;
  const isU32 = (name: string): boolean => /(tokens|targets|position|last|best)$/.test(name);
  const sizeOf = (name: string): number => (shapes[name] ?? fail(name)).reduce((a, b) => a * b, 1);
  const tensors: Record<string, HostArray> = Object.fromEntries(Object.keys(shapes).map((name) => [name, new (isU32(name) ? Uint32Array : Float32Array)(sizeOf(name))]));
  const at = (name: string): HostArray => tensors[name] ?? fail(name);
  const cache = new Int32Array(seqLen).fill(-1);
  let losses = 0;
  let updates = 0;

  const part = (kind: string, token: number): { readonly array: HostArray; readonly row: number } =>
    token < V / 2 ? { array: at(`${kind}/table.low`), row: token } : { array: at(`${kind}/table.high`), row: token - V / 2 };
  const logits = (token: number): Float64Array => {
    const { array, row } = part("param", token);
    return Float64Array.from({ length: V }, (_, v) => array[row * V + v]! + at("param/bias")[v]!);
  };
  const softmax = (x: Float64Array): Float64Array => {
    const max = Math.max(...x);
    const exp = x.map((value) => Math.exp(value - max));
    const sum = exp.reduce((a, b) => a + b, 0);
    return exp.map((value) => value / sum);
  };

  const entries: Record<string, () => void> = {
    train: () => {
      const scale = at("train/loss_scale")[0]! / (batch * seqLen);
      at("train/tokens").forEach((token: number, i: number) => {
        const p = softmax(logits(token));
        const target = at("train/targets")[i]!;
        losses += -Math.log(p[target]!) * scale;
        const { array, row } = part("grad", token);
        for (let v = 0; v < V; v++) {
          const g = (p[v]! - (v === target ? 1 : 0)) * scale;
          array[row * V + v]! += g;
          at("grad/bias")[v]! += g;
        }
      });
    },
    update: () => {
      const word = at("update");
      if (++updates === breakAt) at("grad/bias")[0] = Infinity;
      const squares = params.reduce((sum, { name }) => sum + (at(`grad/${name}`) as Float32Array).reduce((a, g) => a + g * g, 0), 0);
      const bad = params.findIndex(({ name }) => (at(`grad/${name}`) as Float32Array).some((g) => !Number.isFinite(g)));
      const norm = Math.sqrt(squares);
      const limit = word[UPDATE.gradClip]!;
      const factor = limit > 0 && norm > limit ? limit / (norm + 1e-6) : 1;
      at("metrics").set([losses, 0, norm, bad + 1]);
      losses = 0;
      for (const { name } of params) {
        const [w, g, m, v] = ["param", "grad", "adam_m", "adam_v"].map((kind) => at(`${kind}/${name}`)) as [HostArray, HostArray, HostArray, HostArray];
        if (bad < 0) adamw(w, g, m, v, word, factor);
        g.fill(0);
      }
    },
    evaluate: () => at("evaluate/tokens").forEach((token: number, i: number) => {
      const ofToken = logits(token);
      at("evaluate/token_loss")[i] = -Math.log(softmax(ofToken)[at("evaluate/targets")[i]!]!);
      at("evaluate/best")[i] = ofToken.indexOf(Math.max(...ofToken));
    }),
    prefill: () => {
      const start = at("prefill/position")[0]!;
      for (let i = 0; i < chunk; i++) if (start + i < seqLen) cache[start + i] = at("prefill/tokens")[i]!; else fail("a position outside the cache");
      at("prefill/logits").set(logits(at("prefill/tokens")[at("prefill/last")[0]!]!));
    },
    decode: () => {
      const position = at("decode/position")[0]!;
      if (position >= seqLen) fail("a position outside the cache");
      cache[position] = at("decode/tokens")[0]!;
      at("decode/logits").set(logits(at("decode/tokens")[0]!));
    },
  };
  return {
    cache,
    entries: Object.keys(entries),
    has: (name) => Object.hasOwn(shapes, name),
    shape: (name) => shapes[name] ?? fail(name),
    write: (name, data) => {
      if (data.length !== sizeOf(name)) fail(`${name} of ${data.length} elements`);
      at(name).set(data);
    },
    read: async (name) => at(name).slice(),
    run: async (names, reads = []) => {
      for (const name of names) (entries[name] ?? fail(name))();
      return Object.fromEntries(reads.map((name) => [name, at(name).slice()]));
    },
    time: async () => [0],
    busy: () => 0,
    firstNonFinite: async () => (updates === breakAt ? "gradient of bias" : null),
    destroy: () => {},
  };
}

function adamw(w: HostArray, g: HostArray, m: HostArray, v: HostArray, word: HostArray, factor: number): void {
  const at = (name: keyof typeof UPDATE): number => word[UPDATE[name]]!;
  for (let i = 0; i < w.length; i++) {
    const gradient = g[i]! * factor;
    m[i] = (1 - at("oneMinusBeta1")) * m[i]! + at("oneMinusBeta1") * gradient;
    v[i] = (1 - at("oneMinusBeta2")) * v[i]! + at("oneMinusBeta2") * gradient * gradient;
    const step = (at("lr") / at("biasCorrection1")) * (m[i]! / (Math.sqrt(v[i]!) / Math.sqrt(at("biasCorrection2")) + at("eps")));
    w[i] = w[i]! * (1 - at("lr") * at("weightDecay")) - step;
  }
}

function fail(what: string): never {
  throw new Error(`the bigram executor has no ${what}`);
}
