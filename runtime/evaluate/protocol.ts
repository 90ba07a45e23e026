/** How a text is measured: which windows the model reads, and what of the text is left out. */
import { UserError } from "../errors.ts";
import { blockWindows, scoredTokens, slidingWindows, type MeasuredText, type Windows } from "../data/index.ts";

export interface Protocol {
  /** What was asked for. */
  readonly seqLen: number;
  /** T: tokens that a window reads. Less than asked for where no piece of the text is as long. */
  readonly context: number;
  /** null: disjoint blocks. */
  readonly stride: number | null;
  readonly windows: Windows;
  /** Tokens of the text, measured or not. */
  readonly tokens: number;
}

/** @param stride of overlapping windows, or null. UserError if it leaves gaps, or if there is nothing to predict. */
export function protocolOf({ tokens, spans }: MeasuredText, seqLen: number, stride: number | null): Protocol {
  if (stride !== null && stride > seqLen) {
    throw new UserError(`--stride ${stride} is more than seq_len ${seqLen}: tokens between two windows would not be measured`);
  }
  const longest = spans.reduce((most, { start, end }) => Math.max(most, end - start), 0);
  if (longest < 2) throw new UserError(`the text has ${longest === 1 ? "only 1 token" : "no token"}, and predicting needs at least 2`);
  const context = Math.min(seqLen, longest - 1);
  const windows = stride === null ? blockWindows(tokens, spans, context) : slidingWindows(tokens, spans, context, stride);
  return { seqLen, context, stride, windows, tokens: spans.reduce((sum, { start, end }) => sum + end - start, 0) };
}

/** In one sentence. */
export function protocolWords({ seqLen, context, stride, windows }: Protocol): string {
  const isAlone = scoredTokens(windows, context) === windows.starts.length * context;
  const blocks = stride === null ? `disjoint blocks of ${context + 1} tokens` : `windows of ${context} tokens`;
  const which = isAlone ? `${blocks}, each read with nothing before it`
    : `${blocks}, ${stride} apart: each token once, with at least ${context - stride!} before it where the text has them`;
  return context < seqLen ? `${which} (no piece of the text fills seq_len ${seqLen})` : which;
}
