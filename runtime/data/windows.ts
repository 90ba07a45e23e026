/** Where a model reads a text that it is measured on: windows of T tokens, each predicting the token behind every position. */
import type { Tokens } from "./tokens.ts";

/** Tokens start … end − 1 of a text. Nothing outside is read. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Window i reads tokens starts[i] … starts[i] + T − 1; its positions from scoredFrom[i] on count. */
export interface Windows {
  readonly tokens: Tokens;
  readonly starts: Float64Array;
  readonly scoredFrom: Uint32Array;
}

/** Blocks of T + 1 tokens that share no token: each is read with nothing before it, and what remains behind the last is left out. */
export function blockWindows(tokens: Tokens, spans: readonly Span[], seqLen: number): Windows {
  const count = ({ start, end }: Span): number => Math.floor((end - start) / (seqLen + 1));
  return collect(tokens, spans, count, (span, block) => ({ start: span.start + block * (seqLen + 1), from: 0 }));
}

/**
 * Windows at most `stride` apart: every token of a span but its first counts once, with at least T − stride tokens before it where
 * the span has them. The last window ends with the span. A span of less than T + 1 tokens has none.
 */
export function slidingWindows(tokens: Tokens, spans: readonly Span[], seqLen: number, stride: number): Windows {
  const moves = ({ start, end }: Span): number => end - start - 1 - seqLen; // tokens that the first window does not reach
  const count = (span: Span): number => (moves(span) < 0 ? 0 : 1 + Math.ceil(moves(span) / stride));
  return collect(tokens, spans, count, (span, i) => {
    const moved = Math.min(i * stride, moves(span));
    return { start: span.start + moved, from: i === 0 ? 0 : seqLen - (moved - (i - 1) * stride) };
  });
}

function collect(
  tokens: Tokens, spans: readonly Span[], count: (span: Span) => number, at: (span: Span, i: number) => { readonly start: number; readonly from: number },
): Windows {
  const total = spans.reduce((sum, span) => sum + count(span), 0);
  const [starts, scoredFrom] = [new Float64Array(total), new Uint32Array(total)];
  let next = 0;
  for (const span of spans) {
    for (let i = 0; i < count(span); i++, next++) {
      const { start, from } = at(span, i);
      starts[next] = start;
      scoredFrom[next] = from;
    }
  }
  return { tokens, starts, scoredFrom };
}

/** Tokens that count, in all windows together. */
export const scoredTokens = ({ starts, scoredFrom }: Windows, seqLen: number): number =>
  scoredFrom.reduce((sum, from) => sum - from, starts.length * seqLen);
