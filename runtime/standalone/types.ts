/**
 * What a compiled model is at run time. Files of this folder import nothing but each other and WebGPU, because
 * `moeut compile` copies them into every emitted folder: what the command line runs is what is shipped.
 */

/** A tensor that can be written or read by name, logical and row-major on the host, padded on the device. */
export type HostArray = Float32Array | Uint32Array;

/**
 * A plan loaded on a device: all buffers, pipelines and bind groups exist; nothing is created afterwards.
 *
 * Tensor names: inputs and outputs of an entry are "ENTRY/NAME": "train/tokens" u32 [B, T], "train/targets" u32 [B, T],
 * "train/loss_scale" f32 [1], "train/noise" u32 [4], "decode/position" u32 [1], "prefill/last" u32 [B, 1], "evaluate/token_loss" f32 [B,
 * T, 1], "decode/logits" f32 [B, 1, V]. For each parameter "param/NAME", "grad/NAME", "adam_m/NAME", "adam_v/NAME". "update" f32 [8], see
 * UPDATE; "metrics" f32 [8], see METRICS. Where "train" counts its routing, "routing/ffn.0" u32 [E] and so on: how often each
 * expert was chosen since the host wrote it last.
 *
 * Entries: "train" (forward and backward of one micro-batch; adds to the gradients; "train.N" the same for rows of N positions), "update"
 * (norm, clip, AdamW, gradients back to zero), "evaluate" (forward with per-token losses), "score" (the same of chosen positions:
 * "score/rows" and "score/targets" u32 [1, N]), "logits" (forward of one sequence, "logits/logits" f32 [1, T, V]), "prefill" (a chunk of
 * positions into the caches), "decode" (one position).
 */
export interface Executor {
  readonly entries: readonly string[];
  /** Whether there is a tensor of this name: a plan has the inputs that its model reads. */
  has(name: string): boolean;
  write(name: string, data: HostArray): void;
  read(name: string): Promise<HostArray>;
  /** Runs entries one after the other in one submission, then returns the tensors asked for. */
  run(entries: readonly string[], reads?: readonly string[]): Promise<Record<string, HostArray>>;
  shape(name: string): readonly number[];
  /** Nanoseconds of each dispatch of an entry, measured on the device; null for a device without the feature "timestamp-query". */
  time(entry: string): Promise<readonly number[] | null>;
  /** Milliseconds that its busiest thread has spent in kernels since the last call; null for a device. */
  busy(): number | null;
  /** Runs an entry step by step: the label of the first launch that writes NaN or infinity (integers with such bits count too), or null. */
  firstNonFinite(entry: string): Promise<string | null>;
  destroy(): void;
}

/**
 * Words of the "update" tensor, written once per step. oneMinusBeta1 and oneMinusBeta2 are 1 − β: what the newest gradient weighs in a
 * mean.
 */
export const UPDATE = {
  lr: 0, oneMinusBeta1: 1, oneMinusBeta2: 2, eps: 3, weightDecay: 4, gradClip: 5, biasCorrection1: 6, biasCorrection2: 7,
} as const;

/**
 * Words of the "metrics" tensor, written by "update": losses are means over the micro-batches since the last update (each weighted by its
 * loss_scale). firstBad: 0 if all gradients are finite, else 1 + index of the first parameter whose gradient is not; such an update is
 * skipped.
 */
export const METRICS = { ceLoss: 0, regLoss: 1, gradNorm: 2, firstBad: 3 } as const;
