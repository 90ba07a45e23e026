/** How a text is measured: which windows the model reads, and what of the text is left out. */
import { UserError } from "../errors.ts";
import { scoredTokens, windowsOf, type MeasuredText, type Tail, type Windows } from "../data/index.ts";

/**
 * blocks   each token once, in disjoint blocks, the last of which may be partial
 * moeut    the same without the partial block, as the MoEUT training code
 * harness  each document behind a start token, the last window moved back to end with it, as lm-evaluation-harness
 * strided  each token once, in overlapping windows
 */
export type Rule = "blocks" | "moeut" | "harness" | "strided";

const TAILS: Readonly<Record<Rule, Tail>> = { blocks: "short", moeut: "dropped", harness: "moved", strided: "moved" };

export interface Protocol {
  readonly rule: Rule;
  /** What was asked for. */
  readonly seqLen: number;
  /** T: tokens that a window reads. Less than asked for where no piece of the text is as long. */
  readonly context: number;
  /** Distance of windows. */
  readonly stride: number;
  readonly windows: Windows;
  /** Tokens of the text, measured or not. */
  readonly tokens: number;
}

/** @param stride of overlapping windows. UserError if it leaves gaps, or if there is nothing to predict. */
export function protocolOf(
  { tokens, spans }: Pick<MeasuredText, "tokens" | "spans">, seqLen: number, rule: Rule, stride = seqLen,
): Protocol {
  if (stride > seqLen) {
    throw new UserError(`--stride ${stride} is more than seq_len ${seqLen}: tokens between two windows would not be measured`);
  }
  const longest = spans.reduce((most, { start, end }) => Math.max(most, end - start), 0);
  if (longest < 2) throw new UserError(`the text has ${longest === 1 ? "only 1 token" : "no token"}, and predicting needs at least 2`);
  const context = Math.min(seqLen, longest - 1);
  if (rule === "moeut" && context < seqLen) {
    throw new UserError(`no piece of the text fills a block of seq_len ${seqLen}, and --protocol moeut leaves out partial blocks`);
  }
  const distance = Math.min(stride, context);
  const windows = windowsOf(tokens, spans, context, distance, TAILS[rule]);
  return { rule, seqLen, context, stride: distance, windows, tokens: spans.reduce((sum, { start, end }) => sum + end - start, 0) };
}

/** In one sentence. */
export function protocolWords({ rule, seqLen, context, stride, windows }: Protocol): string {
  const isAlone = scoredTokens(windows) === windows.starts.length * context;
  const short = context < seqLen ? ` (no piece of the text fills seq_len ${seqLen})` : "";
  switch (rule) {
    case "blocks": return `disjoint blocks of ${context} predicted tokens, each read with nothing before it${short}`;
    case "moeut": return `moeut: disjoint blocks of ${context} predicted tokens, each read with nothing before it, and no partial block`;
    case "harness": return `harness: each document alone, behind a start token, in windows of ${context} tokens, the last of which`
      + ` ends with it${short}`;
    case "strided": return isAlone ? `windows of ${context} tokens, each read with nothing before it${short}`
      : `windows of ${context} tokens, ${stride} apart: each token once, with at least ${context - stride} before it where the text has`
        + ` them${short}`;
  }
}
