/** The schedule of a model as few rows: what repeats is shown once. */
import type { CoreSpec, ModelSpec, PassEmbeddingSpec } from "../ir/model-spec.ts";

/** One application: which layer, and whether its weights are its own (a copy made by `own`). */
export interface Cell {
  /** "a" */
  readonly layer: string;
  readonly own: boolean;
}

export interface Run {
  readonly cells: readonly Cell[];
  readonly times: number;
  readonly core?: Entrance;
}

/** How the passes over a recurrent core begin, in the words of the language; null where nothing stands there. */
export interface Entrance {
  /** The state before the first pass. It comes from e, what reaches the core, if `fromInput`. */
  readonly state: string | null;
  readonly fromInput: boolean;
  /** How e enters every pass. */
  readonly inject: string | null;
  readonly pass: string | null;
}

export const baseName = (name: string): string => name.split(".")[0]!;

export const cellsOf = (model: ModelSpec): readonly Cell[] => model.schedule.map(({ layer }) => {
  const { name } = model.layers[layer]!;
  return { layer: baseName(name), own: name.includes(".") };
});

const same = (x: Cell | undefined, y: Cell | undefined): boolean => x?.layer === y?.layer && x?.own === y?.own;

/** The whole stack; a pass over its core stands for all. */
export function runsOf(model: ModelSpec): readonly Run[] {
  const cells = cellsOf(model);
  const { core } = model;
  if (core === null) return fold(cells);
  const [from, to] = [core.first, core.first + core.length * core.passes];
  return [
    ...fold(cells.slice(0, from)), { cells: cells.slice(from, from + core.length), times: core.passes, core: entrance(core) },
    ...fold(cells.slice(to)),
  ];
}

const entrance = ({ inject, state, passEmbedding }: CoreSpec): Entrance => ({
  state: inject === "none" ? null : `state ${state.kind}`,
  fromInput: state.kind === "input",
  inject: inject === "none" ? null : `inject ${inject}`,
  pass: passEmbedding === null ? null : passLabel(passEmbedding),
});

const passLabel = (embedding: PassEmbeddingSpec): string =>
  embedding.kind === "learned" ? "+ vector of the pass" : `+ sin(pass${embedding.positions ? ", position" : ""})`;

/** Shortest pattern that covers most from each place on; what repeats nothing is a run of one. */
export function fold(cells: readonly Cell[]): readonly Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < cells.length; ) {
    const run = longestRun(cells, i);
    const last = runs.at(-1);
    if (run.times === 1 && last?.times === 1) runs[runs.length - 1] = { cells: [...last.cells, ...run.cells], times: 1 };
    else runs.push(run);
    i += run.cells.length * run.times;
  }
  return runs;
}

function longestRun(cells: readonly Cell[], start: number): Run {
  let best: Run = { cells: cells.slice(start, start + 1), times: 1 };
  for (let period = 1; start + 2 * period <= cells.length; period++) {
    let end = start + period;
    while (end < cells.length && same(cells[end], cells[end - period])) end++;
    const times = Math.floor((end - start) / period);
    if (times > 1 && times * period > best.times * best.cells.length) best = { cells: cells.slice(start, start + period), times };
  }
  return best;
}
