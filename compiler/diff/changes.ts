/** What is set differently in two trees of settings. */
import type { Setting, Settings } from "./settings.ts";

export interface FieldChange {
  /** "feed_forward.n_experts" */
  readonly path: string;
  /** "387", "moe"; null where there is no such field. */
  readonly from: string | null;
  readonly to: string | null;
  /** Of a block of another kind: the fields it has that it did not have before, as they are written. */
  readonly details: readonly string[];
}

/** Parameters, parameters active for one token, multiply-accumulates per token (convention `moeut`). */
export interface Counts {
  readonly params: number;
  readonly active: number;
  readonly macs: number;
}

export interface Change extends FieldChange {
  /** Layers it applies to; null for a field of the model, or the stack. */
  readonly layers: readonly string[] | null;
  /** What it adds to each count; null if it is part of the effect of a change further down. */
  readonly effect: Counts | null;
}

export interface ModelDiff {
  /** Both compute the same function of their weights. */
  readonly same: boolean;
  readonly hashes: readonly [string, string];
  readonly before: Counts;
  readonly after: Counts;
  readonly changes: readonly Change[];
  /** Definitions of the functions that changes name. */
  readonly functions: readonly string[];
  /** Not part of a model's identity. */
  readonly training: readonly FieldChange[];
}

/** Fields that differ, in the order of the second tree. A block of another kind is one change. */
export function changesBetween(before: Settings, after: Settings, prefix = ""): readonly FieldChange[] {
  const names = [...new Set([...Object.keys(after), ...Object.keys(before)])];
  return names.flatMap((name) => settingChanges(prefix + name, before[name], after[name]));
}

function settingChanges(path: string, before: Setting | undefined, after: Setting | undefined): readonly FieldChange[] {
  if (before === undefined || after === undefined)
    return [{ path, from: before === undefined ? null : shown(before), to: after === undefined ? null : shown(after), details: [] }];
  const clauses = clauseChanges(path, before, after);
  if (before.value !== after.value) return [
    { path, from: shown(before), to: shown(after), details: newFields(before.below ?? {}, after.below ?? {}) }, ...clauses,
  ];
  return [...clauses, ...changesBetween(before.below ?? {}, after.below ?? {}, `${path}.`)];
}

/**
 * `norm … at pre` is "norm.at", `n_experts … on v` is "on" beside n_experts: as `--set` names them. One clause may stand in place of
 * another.
 */
function clauseChanges(path: string, before: Setting, after: Setting): readonly FieldChange[] {
  const gone = Object.entries(before.clauses).filter(([word]) => !(word in after.clauses)).map(([word, text]) => `${word} ${text}`)
    .join(" ");
  const changed = Object.entries(after.clauses)
    .filter(([word, to]) => before.clauses[word] !== to && (word in before.clauses || gone !== ""));
  return changed.map(([word, to]) => ({ path: clausePath(path, after, word), from: before.clauses[word] ?? gone, to, details: [] }));
}

const clausePath = (path: string, { below }: Setting, word: string): string =>
  (below === null ? [...path.split(".").slice(0, -1), word].join(".") : `${path}.${word}`);

const shown = ({ value, below }: Setting): string => (value === "" && below !== null ? "{ … }" : value);

function newFields(before: Settings, after: Settings): readonly string[] {
  return Object.entries(after).filter(([name, { value }]) => before[name]?.value !== value && value !== "none" && value !== "")
    .map(([name, { value, clauses }]) => [name, value, ...Object.entries(clauses).flat()].join(" "));
}

/** `settings` with the setting that `change` is about as it is in `after`. */
export function applyChange(settings: Settings, after: Settings, path: readonly string[]): Settings {
  const [name, ...rest] = path as [string, ...string[]];
  const [mine, theirs] = [settings[name], after[name]];
  if (rest.length > 0 && mine?.below != null && theirs?.below != null) {
    const [word] = rest as [string];
    if (rest.length === 1 && word in theirs.clauses) return { ...settings, [name]: { ...mine, clauses: theirs.clauses } };
    return { ...settings, [name]: { ...mine, below: applyChange(mine.below, theirs.below, rest) } };
  }
  const owner = Object.entries(after).find(([, setting]) => setting.below === null && name in setting.clauses);
  if (theirs === undefined && owner !== undefined) {
    const [field, { clauses }] = owner;
    return settings[field] === undefined ? settings : { ...settings, [field]: { ...settings[field], clauses } };
  }
  const { [name]: _, ...others } = settings;
  return theirs === undefined ? others : { ...settings, [name]: theirs };
}
