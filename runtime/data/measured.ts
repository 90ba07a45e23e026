/** What of a text a trained model is measured on: what its training held out, or all of another text. */
import { splitText } from "./split.ts";
import type { Text } from "./text.ts";
import { inMemory, type Tokens } from "./tokens.ts";
import type { Span } from "./windows.ts";

/** How a run split the text that it was trained on. */
export interface TrainedData {
  /** See Split; "" where it is not known. */
  readonly id: string;
  /** The context that the run was trained with, whatever it is measured with. */
  readonly seqLen: number;
}

export interface MeasuredText {
  /** The id that a run with this context records for the text. */
  readonly dataId: string;
  /** The text is the one that the run was trained on, and the spans are what was held out. */
  readonly heldOut: boolean;
  readonly tokens: Tokens;
  readonly spans: readonly Span[];
}

export function measuredText(text: Text, trained: TrainedData): MeasuredText {
  const { id: dataId, validation } = splitText(text, trained.seqLen);
  const heldOut = dataId === trained.id;
  const tokens = inMemory(text.tokens);
  if (!heldOut) return { dataId, heldOut, tokens, spans: [{ start: 0, end: tokens.length }] };
  const span = (start: number): Span => ({ start, end: start + trained.seqLen + 1 });
  return { dataId, heldOut, tokens, spans: Array.from({ length: validation.count }, (_, block) => span(validation.startOf(block))) };
}
