/** The recurrence-equivalence exponent, in words. */
import type { CompareResults, Recurrence } from "../compare/results.ts";
import { escape } from "./page.ts";
import { listOf } from "./words.ts";

const ABOUT = "φ of loss = E + A·(N_once + r^φ·N_rec)^−α (arXiv:2604.21106), r being the number of passes, N_rec the parameters that are "
  + "applied in each of them and N_once the others, without the embedding table and the head. At φ = 1 a block that is applied r times is "
  + "worth r blocks with weights of their own, at 0 applying it again adds nothing. All variants saw equally much data, so E holds what "
  + "data adds. The interval is a bootstrap over runs.";

export const recurrenceSection = ({ recurrence }: CompareResults): readonly string[] => (recurrence.length === 0 ? [] : [
  ...recurrence.map((one) => `<p>${escape(recurrenceInWords(one))}</p>`), `<p class="note">${escape(ABOUT)}</p>`,
]);

/** "φ = 0.46 (95 % over 27 runs: 0.38 to 0.55; α = 0.34) for a, b and c." */
export function recurrenceInWords({ variants, runs, fit, problem }: Recurrence): string {
  if (fit === null) return `φ is not known for ${listOf(variants)}: ${problem}.`;
  const [phi, low, high, alpha] = [fit.phi, fit.interval.low, fit.interval.high, fit.alpha].map((x) => x.toFixed(2).replace("-", "−"));
  return `φ = ${phi} (95 % over ${runs} runs: ${low} to ${high}; α = ${alpha}) for ${listOf(variants)}.`;
}
