/** How the numbers of a comparison were made, for readers. */
import type { FinalRecord, StepTimes } from "./folder.ts";

interface Size {
  readonly seeds: number;
  readonly variants: number;
  /** Nats per token. */
  readonly margin: number;
  /** In words; null: the same number of steps. */
  readonly budget: string | null;
  /** The budget is of seconds. */
  readonly isTimed: boolean;
  /** Learning rates were. */
  readonly searched: boolean;
  readonly tasks: number;
  /** A share of items. */
  readonly taskMargin: number;
}

const TIMES_OF_TRAINING = "Step times are medians over the steps of training, with the middle half of them. "
  + "Runs follow one another, so what else the machine was doing differs between them, and no ratio is given.";

export function methodOf(size: Size, finals: readonly FinalRecord[], times: StepTimes | null): readonly string[] {
  const { seeds, variants, margin, budget } = size;
  const adapters = [...new Set(finals.map(({ adapter }) => adapter.name))];
  return [
    `Every variant is trained ${budget === null ? "for the same number of steps" : `with ${budget}`}, `
    + "on the same sequences in the same order: "
    + "the seed decides the order of the data and the initial weights, and runs of one seed form a pair.",
    ...(size.isTimed ? [TIMED] : []),
    "The final loss is the mean cross-entropy over the same held-out sequences for all runs, measured once after the last step; "
    + "balance losses are not part of it.",
    ...(seeds > 1 ? statistics(seeds, variants, margin) : [ONE_SEED]),
    "The intervals over the text take the runs as they are and ask what other held-out sequences would change "
    + "(Student's t over sequences, paired). Neighbouring sequences may come from one document; they are treated as independent.",
    ...(size.searched ? [SEARCHED] : []),
    ...tasksMeasured(size),
    times === null ? TIMES_OF_TRAINING
      : `Step times were measured after training on ${times.adapter.name}, the variants in turn over several rounds: `
        + "medians, with the middle half of the rounds. Ratios are taken within rounds.",
    "Memory is the sum of all buffers on the device, planned before training.",
    "MACs are multiply-accumulates of one forward pass per token with everything counted (causal attention, routers, head); "
    + "training needs about three times as many.",
    ...(adapters.length > 1 ? [`The comparison was continued on another adapter (${adapters.join("; ")}).`] : []),
  ];
}

const TIMED = "Seconds became steps before any run: a training step of each variant was timed on this machine, in turn, and what was found "
  + "is kept (budget.json), so that a run can be stopped, continued and repeated to the same bits. The table of costs has the time that "
  + "training really took, by the clock, without evaluations and saving.";

const SEARCHED = "Learning rates were chosen by the final held-out loss of trials on other seeds, trained and measured as the runs are.";

const tasksMeasured = ({ tasks, taskMargin }: Size): readonly string[] => (tasks === 0 ? [] : [
  "Tasks measure the weights as `moeut eval --tasks` does, at the end of each run. Their differences are paired by seed and item; "
  + "p is corrected for all variants and tasks together, "
  + `and equivalent means within ± ${taskMargin} of the share that is right (--task-margin). `
  + "What came out for each item is in the folders of the runs.",
]);

const ONE_SEED = "There is one seed, so nothing is known of what another seed would change, and no variant is called better. "
  + "More seeds in the same folder keep what is there: --seeds 3.";

function statistics(seeds: number, variants: number, margin: number): readonly string[] {
  const family = variants > 2
    ? " p is corrected by Holm's method for the number of variants against the baseline, and in the table of every two variants "
      + "for the number of pairs: a false word among them appears in one comparison of twenty."
    : "";
  return [
    `Differences are paired by seed. Their 95 % intervals over seeds (Student's t over the ${seeds} differences) say what other seeds `
    + 'would change. "Better" and "worse" need p < 0.05 of the paired t test over seeds, and no run of the better side that diverged.'
    + family,
    `"Equivalent" means that two one-sided paired t tests, each at 5 % and corrected alike, place the difference within ± ${margin} nats `
    + "(--margin); such a difference is not called better even where it is no accident.",
    "The seeds to run are those that will decide either way with a chance of 80 %, if mean and standard deviation of the differences stay "
    + "what they are in these runs: with few seeds a rough guess.",
    "The intervals over seeds and text together come from a paired bootstrap that draws seeds, and held-out sequences that are the same "
    + "for all of them: the variance of infinitely many draws, which has a closed form.",
  ];
}
