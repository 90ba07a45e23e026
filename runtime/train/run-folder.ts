/**
 * The folder of one training run:
 *
 *   spec.moeut        the resolved model and recipe in canonical form
 *   tokenizer.json    how text becomes tokens, unless these are bytes
 *   run.json          what the run is: RunInfo
 *   log.jsonl         one record per step: see log.ts
 *   checkpoint.json   which checkpoint is the current one
 *   checkpoints/step-00000050/{weights.safetensors, optimizer.safetensors, state.json}, tokenizer.json once more
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cannotRead, UserError } from "../errors.ts";
import { entriesOf } from "../files/folder.ts";
import { readJsonFile } from "../files/json.ts";
import { sha256 } from "../files/sha256.ts";
import { writeAtomic } from "../files/write-atomic.ts";
import type { AdapterName } from "../session.ts";
import type { Recipe } from "../standalone/schedule.ts";

export interface RunInfo {
  readonly format: 1;
  readonly model: string;
  /** Hash of the resolved architecture. */
  readonly specHash: string;
  /** SHA-256 of spec.moeut; runs of early versions do not have it. */
  readonly specSha256?: string;
  readonly seed: number;
  readonly data: DataInfo;
  readonly recipe: Recipe;
  readonly versions: { readonly moeut: string; readonly node: string };
  readonly adapter: AdapterName;
}

export interface DataInfo {
  /** As given on the command line. */
  readonly source: readonly string[];
  readonly id: string;
  readonly tokenizer: string;
  readonly tokens: number;
  /** Positions that the longest pair of a task takes; undefined for texts, whose windows take as many as the model has. */
  readonly positions?: number;
  /** Shorter rows, to which batches of shorter pairs are cut. */
  readonly lengths?: readonly number[];
}

const specPath = (folder: string): string => join(folder, "spec.moeut");
export const tokenizerPath = (folder: string): string => join(folder, "tokenizer.json");
export const logPath = (folder: string): string => join(folder, "log.jsonl");
const infoPath = (folder: string): string => join(folder, "run.json");

/** What a run is made of besides its description: see above. */
export interface RunTexts {
  /** Canonical text of model and recipe. */
  readonly spec: string;
  /** tokenizer.json; undefined for bytes. */
  readonly tokenizer?: string | undefined;
}

/** UserError if something is there already. The very texts do no harm: they are what an interrupted createRun leaves. */
export function requireFree(folder: string, { spec, tokenizer }: RunTexts): void {
  if (isRun(folder)) throw new UserError(`${folder} already holds a run; add --resume to continue it, or choose another folder with --out`);
  const left: Readonly<Record<string, string | undefined>> = { "spec.moeut": spec, "tokenizer.json": tokenizer };
  const others = entriesOf(folder).filter((name) => !Object.hasOwn(left, name) || readText(join(folder, name)) !== left[name]);
  if (others.length > 0) throw new UserError(`${folder} exists and is not empty, and it is not a run; choose another folder with --out`);
}

/** Starts a run in a free folder. */
export function createRun(folder: string, texts: RunTexts, info: RunInfo): void {
  requireFree(folder, texts);
  const { spec, tokenizer } = texts;
  writeAtomic(specPath(folder), spec);
  if (tokenizer !== undefined) writeAtomic(tokenizerPath(folder), tokenizer);
  // Last, because a folder with this file is a run.
  writeAtomic(infoPath(folder), `${JSON.stringify({ ...info, specSha256: sha256([spec]) }, null, 2)}\n`);
}

export const isRun = (folder: string): boolean => existsSync(infoPath(folder));

const remedyFor = (folder: string): string =>
  (existsSync(join(folder, "config.json")) ? `; \`moeut import hf ${folder} --out RUN\` makes one of the weights there` : "");

export function readRun(folder: string): RunInfo {
  if (!isRun(folder)) throw new UserError(`${folder} is not a run folder: it has no run.json${remedyFor(folder)}`);
  const info = readJson<RunInfo>(infoPath(folder));
  const sound = info.format === 1 && typeof info.model === "string" && typeof info.specHash === "string" && Number.isSafeInteger(info.seed)
    && typeof info.data?.id === "string" && Number.isSafeInteger(info.recipe?.steps);
  if (!sound) throw new UserError(`${infoPath(folder)} is not the description of a run that this version can read`);
  return info;
}

/** The text of spec.moeut. UserError if it is not what was written when the run was made. */
export function readRunSpec(folder: string, { specSha256 }: RunInfo): string {
  const text = readText(specPath(folder));
  if (specSha256 === undefined || sha256([text]) === specSha256) return text;
  throw specChanged(specPath(folder));
}

export const specChanged = (path: string): UserError => new UserError(
  `${path} was changed after the run was made, and its weights belong to the spec as it was: `
  + "undo the change, and try other settings with --set");

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** A JSON object. UserError, naming the file, for anything else. */
export function readJson<T>(path: string): Partial<T> & T {
  const value = readJsonFile(path);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Partial<T> & T;
  throw new UserError(`${path} does not hold a JSON object; it was damaged`);
}

/** UserError if the run in the folder would not be continued but changed by what is asked for now. */
export function requireSameRun(folder: string, have: RunInfo, want: RunInfo): void {
  const refused = (why: string): UserError => new UserError(`cannot resume ${folder}: ${why}`);
  const differs = (what: string, now: unknown, then: unknown): UserError => refused(
    `${what} is ${String(now)}, but the run was made with ${String(then)}; undo the change, or start a new run with another --out`);
  const spec = ({ model, specHash }: RunInfo): string => `${model}, ${specHash.slice(0, 12)}`;
  const data = ({ data: { source, id } }: RunInfo): string => `${source.join(" ")}, id ${id.slice(0, 12)}`;
  if (have.specHash !== want.specHash) throw refused(`it holds a run of another spec (model ${spec(have)}; now ${spec(want)})`);
  if (have.data.tokenizer !== want.data.tokenizer) throw differs("the tokenizer", want.data.tokenizer, have.data.tokenizer);
  if (have.data.id !== want.data.id) throw refused(`it was trained on other data (${data(have)}; now ${data(want)})`);
  if (have.seed !== want.seed) throw differs("the seed", want.seed, have.seed);
  const [then, now] = [recipeSettings(have.recipe), recipeSettings(want.recipe)];
  for (const name of Object.keys(now)) if (now[name] !== then[name]) throw differs(name, now[name], then[name]);
}

/** The settings that change weights, by the names they have in a spec. */
export function recipeSettings(
  { optimizer: o, schedule: s, gradClip, batch, accumulate, steps }: Recipe,
): Readonly<Record<string, unknown>> {
  return {
    lr: o?.lr, beta1: o?.beta1, beta2: o?.beta2, eps: o?.eps, weight_decay: o?.weightDecay,
    schedule: s?.kind, warmup: s?.warmup, floor: s?.floor, grad_clip: gradClip ?? "none", batch, accumulate, steps,
  };
}

/** Only the fields of a recipe, of a value that may have more. */
export const recipeOf = ({ optimizer: o, schedule: s, gradClip, batch, accumulate, steps }: Recipe): Recipe => ({
  optimizer: { lr: o.lr, beta1: o.beta1, beta2: o.beta2, eps: o.eps, weightDecay: o.weightDecay },
  schedule: { kind: s.kind, warmup: s.warmup, floor: s.floor }, gradClip, batch, accumulate, steps,
});
