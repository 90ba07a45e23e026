/** What was compared, in a line under the title. */
import type { CompareResults } from "../compare/results.ts";
import { grouped, short } from "../units.ts";
import { batchText, countedTokens, stepsText } from "./words.ts";

/** "3 variants, 5 seeds each; 500 steps of 8 × 128 tokens (512k tokens in all) of input.txt; final loss on 22,784 held-out tokens." */
export function aboutText({ data, budget, seeds, validation_tokens: heldOut, variants }: CompareResults): string {
  const runs = `${variants.length} variants, ${seeds.length === 1 ? "one seed" : `${seeds.length} seeds`} each`;
  const spent = budget.given ?? `${short(budget.tokens)} ${countedTokens(data)} in all`;
  const trained = `${stepsText(variants)} of ${batchText(budget.batch, budget.seq_len, data)} (${spent}) of ${data.source.join(" ")}`;
  return `${runs}; ${trained}; final loss on ${grouped(heldOut)} held-out ${countedTokens(data)}.`;
}
