/** How the numbers of a comparison were made, for readers. */
import type { FinalRecord, StepTimes } from "./folder.ts";

export function methodOf(seeds: number, finals: readonly FinalRecord[], times: StepTimes | null): readonly string[] {
  const adapters = [...new Set(finals.map(({ adapter }) => adapter.name))];
  return [
    "Every variant is trained for the same number of steps on the same sequences in the same order: the seed decides the order of the data and the initial weights, and runs of one seed form a pair.",
    "The final loss is the mean cross-entropy over the same held-out sequences for all runs, measured once after the last step; balance losses are not part of it.",
    seeds > 1
      ? `Differences are paired by seed. Their 95 % intervals over seeds (Student's t over the ${seeds} differences) say what other seeds would change: they decide what is called a difference, what is coloured and what is drawn.`
      : "There is one seed, so nothing is known of what another seed would change, and no difference is called one. More seeds in the same folder keep what is there: --seeds 3.",
    "The intervals over the text take the runs as they are and ask what other held-out sequences would change (Student's t over sequences, paired). Neighbouring sequences may come from one document; they are treated as independent.",
    "Of many pairs some differ by chance: about one interval in twenty does not hold the true difference.",
    times === null
      ? "Step times are medians over the steps of training, with the middle half of them. Runs follow one another, so what else the machine was doing differs between them, and no ratio is given."
      : `Step times were measured after training on ${times.adapter.name}, the variants in turn over several rounds: medians, with the middle half of the rounds. Ratios are taken within rounds.`,
    "Memory is the sum of all buffers on the device, planned before training.",
    "MACs are multiply-accumulates of one forward pass per token with everything counted (causal attention, routers, head); training needs about three times as many.",
    ...(adapters.length > 1 ? [`The comparison was continued on another adapter (${adapters.join("; ")}).`] : []),
  ];
}
