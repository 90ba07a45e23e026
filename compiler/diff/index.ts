/**
 * What differs between two resolved models, in the words of the language, and what each difference costs.
 *
 * Effects are those of applying the changes one after another, widths first and the stack last, so that they add up to the
 * difference of the two models. Where a change alone would be no model (more chosen experts than there are), it waits for the
 * one that makes it valid, and its effect is part of that one's.
 */
import { countMacs, countParams } from "../counts/index.ts";
import { checkSource } from "../front.ts";
import { specHash, withDistinctNames, withSharedNames } from "../format/index.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import { STACK_FUNCTIONS } from "../stack/text.ts";
import { applyChange, changesBetween, type Change, type Counts, type FieldChange, type ModelDiff } from "./changes.ts";
import { type ModelSettings, type Settings, settingsOf, textOf } from "./settings.ts";

export { describeDiff } from "./words.ts";
export type { ModelDiff } from "./changes.ts";

export function diffModels(a: ModelSpec, b: ModelSpec): ModelDiff {
  const [x, y] = withDistinctNames(withSharedNames([a, b])).map(settingsOf) as [ModelSettings, ModelSettings];
  const { start, goal } = align(x, y);
  const hashes = [specHash(a), specHash(b)] as const;
  const same = hashes[0] === hashes[1];
  const [before, after] = [countsOf(a), countsOf(b)];
  const changes = same ? [] : withEffects(stepsBetween(start, goal), start, before);
  return {
    same, hashes, before, after, changes, functions: start.functions.filter((fn) => isNamed(fn, changes)),
    training: changesBetween(start.train, goal.train),
  };
}

/** "fn NAME(x) = …" */
const isNamed = (fn: string, changes: readonly Change[]): boolean => {
  const name = /\w+(?=\()/.exec(fn)![0];
  return changes.some(({ from, to, details }) => [from, to, ...details.map((detail) => detail.split(" ")[1])].includes(name));
};

const countsOf = (model: ModelSpec): Counts => {
  const { total, active } = countParams(model);
  return { params: total, active, macs: countMacs(model).perToken.moeut };
};

interface Aligned {
  readonly start: ModelSettings;
  readonly goal: ModelSettings;
}

/**
 * Gives both the same layers. Layers that only one of them has are paired in order, names apart; what then has no partner is
 * a layer that is no longer applied (it becomes as the others are, if those are all alike) or a new one (it was as the first is).
 */
function align(a: ModelSettings, b: ModelSettings): Aligned {
  const only = (x: ModelSettings, y: ModelSettings): readonly string[] => Object.keys(x.layers).filter((name) => !(name in y.layers));
  const [gone, come] = [only(a, b), only(b, a)];
  const renamed = Object.fromEntries(come.slice(0, gone.length).map((name, i) => [name, gone[i]!]));
  const called = (name: string): string => renamed[name] ?? name;
  const stack = b.stack.replace(/\w+/g, (word) => (STACK_FUNCTIONS.includes(word) ? word : called(word)));
  const theirs = Object.fromEntries(Object.entries(b.layers).map(([name, settings]) => [called(name), settings]));
  const names = [...new Set([...Object.keys(a.layers), ...Object.keys(theirs)])];
  const alike = new Set(Object.values(theirs).map((settings) => JSON.stringify(settings))).size === 1;
  const usual = alike ? Object.values(theirs)[0] : undefined;
  const functions = [...new Set([...a.functions, ...b.functions])];
  const layersOf = (of: (name: string) => Settings): Readonly<Record<string, Settings>> =>
    Object.fromEntries(names.map((name) => [name, of(name)]));
  return {
    start: { ...a, functions, layers: layersOf((name) => a.layers[name] ?? Object.values(a.layers)[0]!) },
    goal: { ...b, functions, stack, layers: layersOf((name) => theirs[name] ?? usual ?? a.layers[name]!) },
  };
}

interface Step {
  readonly change: FieldChange & { readonly layers: readonly string[] | null };
  readonly apply: (settings: ModelSettings) => ModelSettings;
}

function stepsBetween(start: ModelSettings, goal: ModelSettings): readonly Step[] {
  const inModel = changesBetween(start.model, goal.model).map((change): Step =>
    ({ change: { ...change, layers: null }, apply: (s) => ({ ...s, model: applyChange(s.model, goal.model, change.path.split(".")) }) }));
  const inLayers = groupedChanges(start, goal).map((change): Step => ({
    change,
    apply: (s) => ({ ...s, layers: Object.fromEntries(Object.entries(s.layers).map(([name, settings]) =>
      [name, change.layers.includes(name) ? applyChange(settings, goal.layers[name]!, change.path.split(".")) : settings])) }),
  }));
  const restack: Step = {
    change: { path: "stack", from: start.stack, to: goal.stack, details: [], layers: null }, apply: (s) => ({ ...s, stack: goal.stack }),
  };
  return [...inModel, ...inLayers, ...(start.stack === goal.stack ? [] : [restack])];
}

/** The same change in several layers is one. */
function groupedChanges(start: ModelSettings, goal: ModelSettings): readonly (FieldChange & { readonly layers: readonly string[] })[] {
  const groups = new Map<string, { readonly change: FieldChange; readonly layers: string[] }>();
  for (const name of Object.keys(start.layers)) {
    for (const change of changesBetween(start.layers[name]!, goal.layers[name]!)) {
      const key = JSON.stringify(change);
      const group = groups.get(key) ?? { change, layers: [] };
      groups.set(key, group);
      group.layers.push(name);
    }
  }
  return [...groups.values()].map(({ change, layers }) => ({ ...change, layers }));
}

function withEffects(steps: readonly Step[], start: ModelSettings, before: Counts): readonly Change[] {
  const out: Change[] = [];
  const together = Math.ceil(steps.length / MOST_EFFECTS);
  let [settings, counts, waiting] = [start, before, steps];
  while (waiting.length > 0) {
    const valid = shortestValid(waiting, settings, together);
    valid.forEach(({ change }, i) => out.push({ ...change, effect: i === valid.length - 1 ? minus(valid.counts, counts) : null }));
    settings = valid.reduce((s, { apply }) => apply(s), settings);
    counts = valid.counts;
    waiting = waiting.filter((step) => !valid.includes(step));
  }
  return out;
}

/** Each effect takes a check of the whole text; of more changes than this, several have one effect together. */
const MOST_EFFECTS = 32;

type Valid = readonly Step[] & { readonly counts: Counts };

/** The first step (or `together` steps) that leads to a model by itself, or else the shortest run of steps from the first one that does. */
function shortestValid(steps: readonly Step[], from: ModelSettings, together: number): Valid {
  const starts = steps.map((_, i) => i).filter((i) => i % together === 0);
  const runs = [...starts.map((i) => steps.slice(i, i + together)), ...starts.map((i) => steps.slice(0, i + together))];
  for (const run of runs) {
    const counts = countsOfText(run.reduce((s, { apply }) => apply(s), from));
    if (counts !== null) return Object.assign(run, { counts });
  }
  throw new Error("bug: all changes together do not lead to a model");
}

function countsOfText(settings: ModelSettings): Counts | null {
  const [model] = checkSource({ file: "", text: textOf(settings) }, { readFile: () => ({ problem: "" }) }).models;
  return model === undefined ? null : countsOf(model);
}

const minus = (x: Counts, y: Counts): Counts => ({ params: x.params - y.params, active: x.active - y.active, macs: x.macs - y.macs });
