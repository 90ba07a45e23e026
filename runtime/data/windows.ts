/** Where a model reads a text that it is measured on: windows of T tokens, each predicting the token behind every position. */
import type { Tokens } from "./tokens.ts";

/** Tokens start … end − 1 of a text. Nothing outside is read. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Window i reads tokens starts[i] … starts[i] + scoredTo[i] − 1; its positions from scoredFrom[i] to scoredTo[i] − 1 count. */
export interface Windows {
  readonly tokens: Tokens;
  readonly starts: Float64Array;
  readonly scoredFrom: Uint32Array;
  readonly scoredTo: Uint32Array;
}

/**
 * What becomes of the end of a span that no whole window reaches: it is left out, read with nothing before it, or read by a window that is
 * moved back, so that it ends with the span.
 */
export type Tail = "dropped" | "short" | "moved";

interface Window {
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Windows of T tokens, `stride` apart: every token of a span but its first counts once, with at least T − stride tokens before it where
 * the span has them.
 */
export function windowsOf(tokens: Tokens, spans: readonly Span[], seqLen: number, stride: number, tail: Tail): Windows {
  const hasTail = (span: Span): boolean => tail !== "dropped" && restOf(span, seqLen, stride) > 0;
  const count = (span: Span): number => wholeWindows(span, seqLen, stride) + (hasTail(span) ? 1 : 0);
  const total = spans.reduce((sum, span) => sum + count(span), 0);
  const [starts, scoredFrom, scoredTo] = [new Float64Array(total), new Uint32Array(total), new Uint32Array(total)];
  let next = 0;
  for (const span of spans) {
    for (let i = 0; i < count(span); i++, next++) {
      const { start, from, to } = windowAt(span, i, seqLen, stride, tail);
      [starts[next], scoredFrom[next], scoredTo[next]] = [start, from, to];
    }
  }
  return { tokens, starts, scoredFrom, scoredTo };
}

const wholeWindows = ({ start, end }: Span, seqLen: number, stride: number): number =>
  Math.max(0, 1 + Math.floor((end - start - 1 - seqLen) / stride));

/** Tokens that are predicted by whole windows. */
const reached = (span: Span, seqLen: number, stride: number): number => {
  const whole = wholeWindows(span, seqLen, stride);
  return whole === 0 ? 0 : seqLen + (whole - 1) * stride;
};

const restOf = (span: Span, seqLen: number, stride: number): number =>
  Math.max(0, span.end - span.start - 1 - reached(span, seqLen, stride));

function windowAt(span: Span, i: number, seqLen: number, stride: number, tail: Tail): Window {
  if (i < wholeWindows(span, seqLen, stride)) return { start: span.start + i * stride, from: i === 0 ? 0 : seqLen - stride, to: seqLen };
  const rest = restOf(span, seqLen, stride);
  const before = tail === "moved" ? Math.min(seqLen - rest, reached(span, seqLen, stride)) : 0;
  return { start: span.end - 1 - rest - before, from: before, to: before + rest };
}

/** Tokens that count, in all windows together. */
export const scoredTokens = ({ scoredFrom, scoredTo }: Windows): number =>
  scoredFrom.reduce((sum, from, i) => sum + scoredTo[i]! - from, 0);
