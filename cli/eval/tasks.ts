/** Benchmarks in `eval`: items from published files, scored by a named protocol, one record for each item. */
import { existsSync } from "node:fs";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import { UserError } from "../../runtime/errors.ts";
import type { Answer, Item, TaskProtocol } from "../../runtime/tasks/items.ts";
import { fitAll, startToken, type Reading, type Request } from "../../runtime/tasks/requests.ts";
import type { Result } from "../../runtime/tasks/results.ts";
import { bucketsOf, scoreBucket, type Scored } from "../../runtime/tasks/score.ts";
import type { Scoring } from "../../runtime/tasks/scoring.ts";
import { ownTask, TASKS, type Task } from "../../runtime/tasks/tasks.ts";
import { grouped, withError } from "../../runtime/units.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { PlanOptions } from "../../api/session.ts";
import { countdown } from "../countdown.ts";
import { say } from "../terminal.ts";
import type { TrainedRun } from "../trained-run.ts";
import { withTrained } from "../with-trained.ts";

/** A benchmark by its name, and its items. */
export interface LoadedTask {
  readonly name: string;
  readonly chance: number;
  readonly scoring: Scoring;
  readonly items: readonly Item[];
  readonly variant: string | null;
}

export type TaskRecord = Answer & Pick<Item, "id" | "group" | "gold"> & { readonly task: string };

export interface TaskOutcome {
  readonly task: string;
  readonly variant: string | null;
  readonly items: number;
  readonly chance: number;
  /** Items whose context was too long for the model: it was cut at its beginning. */
  readonly cut: number;
  readonly results: readonly Result[];
  readonly records: readonly TaskRecord[];
}

/** Names of the table, and JSONL files of one's own. UserError for a name that is neither, and for what is wrong with the files. */
export function loadTasks(names: readonly string[], folder: string, protocol: TaskProtocol): readonly LoadedTask[] {
  return names.map((name) => {
    const { chance, scoring, load } = taskOf(name);
    const { items, variant = null, notes = [] } = load(folder, protocol);
    for (const note of notes) say(`note: ${note}`);
    if (items.length === 0) throw new UserError(`${name} has no items`);
    return { name, chance, scoring, items, variant };
  });
}

function taskOf(name: string): Task {
  if (Object.hasOwn(TASKS, name)) return TASKS[name]!;
  if (/\.jsonl(\.gz)?$/.test(name) && existsSync(name)) return ownTask(name);
  const known = Object.keys(TASKS).join(", ");
  throw new UserError(`there is no task ${name}: choose of ${known}, or name a JSONL file with context, choices and gold`);
}

/** @param model that of the run, at its own depth or another */
export async function runTask(
  handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, task: LoadedTask, protocol: TaskProtocol,
): Promise<TaskOutcome> {
  const { name, items, chance, variant, scoring } = task;
  const reading: Reading = { protocol, tokenizer: trained.tokenizer, start: startToken(trained.tokenizer) };
  const counts = items.map((item) => item.choices.length);
  const requests = fitAll(items.flatMap((item) => scoring.sequences(item, reading)), model.seqLen, name);
  const scored = byItem(counts, await scoreAll(handle, model, trained, requests, scoring.predicts));
  const answers = items.map((item, i) => scoring.answer(item, scored[i]!, reading));
  const records = items.map(({ id, group, gold }, i): TaskRecord => ({ task: name, id, group, gold, ...answers[i]! }));
  const cut = byItem(counts, requests).filter((of) => of.some((request) => request.cut > 0)).length;
  return { task: name, variant, items: items.length, chance, cut, results: scoring.results(items, answers), records };
}

function byItem<T>(counts: readonly number[], all: readonly T[]): readonly (readonly T[])[] {
  let next = 0;
  return counts.map((count) => all.slice(next, (next += count)));
}

/** @param predicts whether the most probable tokens are wanted too */
export async function scoreAll(
  handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, requests: readonly Request[], predicts: boolean,
): Promise<readonly Scored[]> {
  const all = new Array<Scored>(requests.length);
  const onText = countdown(requests.length, "texts");
  let done = 0;
  for (const bucket of bucketsOf(requests, model.vocabSize)) {
    const { batch, length: seqLen, rows } = bucket;
    const options: PlanOptions = { batch, seqLen, rows, entries: ["score"], keep: { score: predicts ? ["best"] : [] } };
    await withTrained(handle, model, trained, options, async (executor) => {
      for await (const [index, scored] of scoreBucket(executor, bucket, requests)) {
        all[index] = scored;
        onText(++done);
      }
    });
  }
  return all;
}

/** A line for each figure, the first with what was measured, and below the first how its parts came out, where they are few. */
export function taskWords({ task, variant, items, chance, cut, results }: TaskOutcome, protocol: TaskProtocol): string {
  const facts = [
    `${protocol} protocol`, ...(variant === null ? [] : [variant]), `${grouped(items)} items`, ...(chance > 0 ? [`chance ${chance}`] : []),
    ...(cut === 0 ? [] : [`${grouped(cut)} contexts cut at their beginning`]),
  ];
  const figure = ({ metric, value, standardError }: Result): string =>
    `${metric.padEnd(20)} ${withError(value, standardError, digitsOf(value))}`;
  const [first, ...others] = results;
  const lines = [`${figure(first!)}  (${facts.join(", ")})`, ...partsWords(first!), ...others.map(figure)];
  return lines.map((line, i) => `${(i === 0 ? task : "").padEnd(14)} ${line}\n`).join("");
}

const digitsOf = (value: number): number => (Math.abs(value) < 10 ? 4 : 2);

/** More groups than that are for `--json`. */
const FEW_GROUPS = 12;

function partsWords({ kinds, groups }: Result): readonly string[] {
  const [[name, parts] = ["part", groups] as const] = Object.entries(kinds);
  const values = Object.entries(parts).map(([part, value]) => `${part} ${withError(value, null, digitsOf(value))}`);
  return values.length < 2 || values.length > FEW_GROUPS ? [] : [`${`by ${name}`.padEnd(20)} ${values.join(", ")}`];
}
