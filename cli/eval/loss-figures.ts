/** What `eval --data` says of a loss: by token, byte and word, with errors, to people and to programs. */
import type { Covered } from "../../runtime/evaluate/covered.ts";
import type { Evaluation } from "../../runtime/evaluate/index.ts";
import { protocolWords, type Protocol } from "../../runtime/evaluate/protocol.ts";
import { ratio } from "../../runtime/tasks/results.ts";
import { grouped, withError } from "../../runtime/units.ts";
import type { TrainedRun } from "../trained-run.ts";
import type { EvalOptions } from "./options.ts";
import type { EvalText } from "./text.ts";

export type TextOptions = EvalOptions & { readonly data: readonly string[] };

/** A text and how it is measured: the same for all depths. */
export interface Measuring {
  readonly trained: TrainedRun;
  readonly text: EvalText;
  readonly protocol: Protocol;
  /** What is measured of the text. */
  readonly covered: Covered;
  readonly options: TextOptions;
}

/** What came out at a depth. */
export interface Outcome {
  readonly passes: number | null;
  /** null: could not be measured. */
  readonly result: Evaluation | null;
  /** null: measured, and the loss is a number. */
  readonly problem: string | null;
}

/** For --json. */
export function jsonOf({ passes, result, problem }: Outcome, measuring: Measuring): unknown {
  const { trained, text, protocol, options } = measuring;
  return {
    run: trained.folder, step: trained.step, ...(passes === null ? {} : { passes }), data: options.data, data_id: text.dataId,
    held_out: text.heldOut, text: text.words, seen_in_training: text.seen,
    protocol: protocolWords(protocol), context: protocol.context, stride: protocol.stride,
    ...(result === null ? {} : numbersOf(result, measuring)), ...(problem === null ? {} : { problem }),
  };
}

function numbersOf({ tokens, loss, perplexity, passes, sequences, counts }: Evaluation, { text, protocol, covered }: Measuring) {
  const unmeasured = protocol.tokens - tokens;
  const per = (count: number): number => Math.exp((loss * tokens) / count);
  return {
    tokens, unmeasured_tokens: unmeasured, unmeasured_bytes: Math.round(unmeasured * text.bytesPerToken), ...covered,
    loss, standard_error: ratio(sequences.map((mean, i) => mean * counts[i]!), counts).standardError,
    perplexity, bits_per_byte: (loss * tokens) / (Math.LN2 * covered.bytes),
    byte_perplexity: per(covered.bytes), word_perplexity: per(covered.words),
    ...(passes === null ? {} : { mean_passes: passes }),
  };
}

/** Errors are those of the loss, from the spread of windows; of a single window there is none. */
export function wordsOf(depth: number | null, result: Evaluation, measuring: Measuring): string {
  const {
    tokens, unmeasured_bytes: rest, loss, standard_error: error, perplexity, bits_per_byte, byte_perplexity, word_perplexity, mean_passes,
  } = numbersOf(result, measuring);
  const scaled = (value: number, by: number, digits: number): string => withError(value, error === null ? null : error * by, digits);
  return [
    ...(depth === null ? [] : [`passes         ${depth}`]),
    `loss           ${scaled(loss, 1, 4)} nats per token`,
    `perplexity     ${scaled(perplexity, perplexity, 3)} per token`,
    `               ${byte_perplexity.toFixed(4)} per byte, ${word_perplexity.toPrecision(6)} per word`,
    `bits per byte  ${scaled(bits_per_byte, bits_per_byte / loss, 4)}`,
    ...(mean_passes === undefined ? [] : [`passes taken   ${mean_passes.toFixed(2)} on average before a token halts`]),
    `(${grouped(tokens)} tokens predicted; ${grouped(rest)} ${rest === 1 ? "byte" : "bytes"} of the text not measured)\n`,
  ].join("\n");
}
