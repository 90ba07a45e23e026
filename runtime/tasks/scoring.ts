/** What a kind of task does with items and with what the model says. */
import type { Answer, Item } from "./items.ts";
import type { Reading, Sequence } from "./requests.ts";
import type { Result } from "./results.ts";
import type { Scored } from "./score.ts";

export interface Scoring {
  /** Whether it looks at the most probable tokens, too. */
  readonly predicts: boolean;
  readonly sequences: (item: Item, reading: Reading) => readonly Sequence[];
  /** @param scored of the item's sequences, in their order */
  readonly answer: (item: Item, scored: readonly Scored[], reading: Reading) => Answer;
  readonly results: (items: readonly Item[], answers: readonly Answer[]) => readonly Result[];
}
