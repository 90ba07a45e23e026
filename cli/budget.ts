/** One budget for all variants: what each may spend becomes its number of steps, which its schedule follows. */
import type { BudgetSpec, CompareSpec } from "../compiler/ir/compare-spec.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { countMacs, countParams } from "../compiler/counts/index.ts";
import type { Dataset } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { countedTokens } from "../runtime/report/words.ts";
import type { DataInfo } from "../runtime/train/index.ts";
import { grouped, short } from "../runtime/units.ts";
import { positive } from "./options.ts";

export type Unit = "steps" | "tokens" | "macs" | "seconds";

export interface Budget {
  /** null: as the specs say. */
  readonly spent: { readonly unit: Unit; readonly amount: number } | null;
  /** Of weights, and the part of it by which a variant may miss it. */
  readonly bytes: { readonly amount: number; readonly tolerance: number } | null;
}

export const NO_BUDGET: Budget = { spent: null, bytes: null };

const UNITS = ["steps", "tokens", "macs", "seconds"] as const;
const TOLERANCE = 0.01;

/** A parser for commander: "macs=1e12", several times. */
export function budgetPart(text: string, sofar: Partial<BudgetSpec> = {}): Partial<BudgetSpec> {
  const [name = "", amount = ""] = text.split("=").map((part) => part.trim());
  if (![...UNITS, "bytes", "tolerance"].includes(name)) {
    throw new UserError(`--budget ${text}: give one of ${[...UNITS, "bytes"].map((unit) => `${unit}=N`).join(", ")}`);
  }
  return { ...sofar, [name]: positive(amount) };
}

interface Flags {
  readonly steps?: number;
  readonly tokens?: number;
  readonly budget?: Partial<BudgetSpec>;
}

/** --steps and --tokens, and the same as others by --budget. UserError for two of them. */
export function budgetFlags({ steps, tokens, budget = {} }: Flags): Partial<BudgetSpec> {
  if (steps !== undefined && tokens !== undefined) throw new UserError("give --steps or --tokens, not both");
  const twice = (["steps", "tokens"] as const).find((unit) => budget[unit] !== undefined && { steps, tokens }[unit] !== undefined);
  if (twice !== undefined) throw new UserError(`give --${twice} or --budget ${twice}=N, not both`);
  return { ...budget, ...(steps === undefined ? {} : { steps }), ...(tokens === undefined ? {} : { tokens }) };
}

/** Flags before what the compare blocks say. UserError for two budgets of training, or blocks that have different ones. */
export function budgetOf(flags: Partial<BudgetSpec>, compares: readonly CompareSpec[]): Budget {
  const [first, ...others] = compares.flatMap(({ budget }) => budget ?? []);
  const given = Object.keys(flags).length > 0;
  if (!given && others.some((other) => JSON.stringify(other) !== JSON.stringify(first))) {
    throw new UserError("the compare blocks have different budgets: take one with --model, or say for all --budget macs=1e12");
  }
  const asked: Partial<BudgetSpec> = given ? flags : (first ?? {});
  const found = UNITS.flatMap((unit) => (asked[unit] ? [{ unit, amount: asked[unit] }] : []));
  const words = found.map(({ unit, amount }) => `${unit}=${amount}`);
  if (words.length > 1) throw new UserError(`one budget of training, not two: ${words.join(", ")}`);
  return { spent: found[0] ?? null, bytes: asked.bytes ? { amount: asked.bytes, tolerance: asked.tolerance ?? TOLERANCE } : null };
}

/** A backward pass is two forward ones. */
const TRAINING = 3;

/** Multiply-accumulates of a training step, everything counted. @param seqLen positions of a sequence */
const stepMacs = (model: ModelSpec, seqLen: number): number => TRAINING * countMacs(model, seqLen).full * model.train.batch;

/**
 * @param data of pairs, sequences are shorter than a model's context, and tokens are what is answered
 * @param stepSeconds of a training step of each model, by its name; asked for seconds alone
 */
export function withBudget(
  { spent }: Budget, models: readonly ModelSpec[], data: Pick<Dataset, "seqLen" | "targetsPerBlock">,
  stepSeconds: Readonly<Record<string, number>>,
): readonly ModelSpec[] {
  if (spent === null) return models;
  const costs: Readonly<Record<Unit, (model: ModelSpec) => number>> = {
    steps: () => 1, tokens: ({ train }) => train.batch * data.targetsPerBlock, macs: (model) => stepMacs(model, data.seqLen),
    seconds: ({ name }) => stepSeconds[name]!,
  };
  return models.map((model) => {
    const steps = Math.max(1, Math.round(spent.amount / costs[spent.unit](model)));
    return { ...model, train: { ...model.train, steps } };
  });
}

const WEIGHT_BYTES = 4;

/** UserError that names the variants whose weights are more or less than the budget. */
export function requireBytes({ bytes }: Budget, models: readonly ModelSpec[]): void {
  if (bytes === null) return;
  const sizes = models.map((model) => ({ name: model.name, size: WEIGHT_BYTES * countParams(model).total }));
  const missed = sizes.filter(({ size }) => Math.abs(size - bytes.amount) > bytes.tolerance * bytes.amount);
  if (missed.length === 0) return;
  const words = missed.map(({ name, size }) =>
    `${name} has ${grouped(size)} (${size < bytes.amount ? "−" : "+"}${Math.abs(100 * (size / bytes.amount - 1)).toFixed(1)} %)`);
  throw new UserError(`the budget is ${grouped(bytes.amount)} bytes of weights ± ${100 * bytes.tolerance} %, and ${words.join(", ")}: `
    + "`match params by FIELD` in a compare block, or in a model `match params OTHER`, makes them equal");
}

const UNIT_WORDS: Readonly<Record<Unit, (data: Pick<DataInfo, "positions">) => string>> =
  { steps: () => "steps", tokens: countedTokens, macs: () => "MACs of training", seconds: () => "seconds of training" };

/** "1.00T MACs of training"; null where that is a number of steps. */
export const budgetWords = ({ spent }: Budget, data: Pick<DataInfo, "positions">): string | null =>
  (spent === null || spent.unit === "steps" ? null : `${short(spent.amount)} ${UNIT_WORDS[spent.unit](data)}`);
