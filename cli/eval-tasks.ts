/** Benchmarks in `eval`: items from published files, scored by a named protocol, one record for each item. */
import { existsSync } from "node:fs";
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import type { Tokenizer } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { judge, summarize, type Item, type Judgement, type TaskProtocol, type Result, type Score } from "../runtime/tasks/items.ts";
import { requestsOf, type Request } from "../runtime/tasks/requests.ts";
import { bucketsOf, scoreBucket } from "../runtime/tasks/score.ts";
import { ownTask, TASKS, type Task } from "../runtime/tasks/tasks.ts";
import { loadWeights } from "../runtime/train/index.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { loadModel } from "../api/session.ts";
import { grouped, say } from "./terminal.ts";
import type { TrainedRun } from "./trained-run.ts";

/** A benchmark by its name, and its items. */
export interface LoadedTask {
  readonly name: string;
  readonly chance: number;
  readonly items: readonly Item[];
}

export interface TaskRecord {
  readonly task: string;
  readonly id: string;
  readonly group: string;
  readonly gold: number;
  readonly choices: readonly Score[];
  readonly right: Judgement;
}

export interface TaskOutcome {
  readonly task: string;
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
    const { chance, load } = taskOf(name);
    const items = load(folder, protocol);
    if (items.length === 0) throw new UserError(`${name} has no items`);
    return { name, chance, items };
  });
}

function taskOf(name: string): Task {
  if (Object.hasOwn(TASKS, name)) return TASKS[name]!;
  if (/\.jsonl(\.gz)?$/.test(name) && existsSync(name)) return ownTask(name);
  const known = Object.keys(TASKS).join(", ");
  throw new UserError(`there is no task ${name}: choose of ${known}, or name a JSONL file with context, choices and gold`);
}

/** The token in front of sentences under the harness's protocol: the tokenizer's own, or a line break where it has none, as bytes. */
const startToken = (tokenizer: Tokenizer): number => tokenizer.endOfText ?? tokenizer.encode(Buffer.from("\n"))[0]!;

/** @param model that of the run, at its own depth or another */
export async function runTask(
  handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, task: LoadedTask, protocol: TaskProtocol,
): Promise<TaskOutcome> {
  const { tokenizer } = trained;
  const byItem = task.items.map((item) => requestsOf(item, protocol, tokenizer, startToken(tokenizer), model.seqLen));
  const requests = byItem.flat();
  const sums = await scoreAll(handle, model, trained, requests);
  let at = 0;
  const records = task.items.map((item, i): TaskRecord => {
    const choices = byItem[i]!.map((request, c) => scoreOf(sums[at++]!, request, item.choices[c]!));
    return { task: task.name, id: item.id, group: item.group, gold: item.gold, choices, right: judge(item, choices, protocol) };
  });
  const cut = byItem.filter((of) => of.some((request) => request.cut > 0)).length;
  const results = summarize(task.items, records.map(({ right }) => right));
  return { task: task.name, items: task.items.length, chance: task.chance, cut, results, records };
}

const scoreOf = (sum: number, { tokens, from }: Request, choice: string): Score =>
  ({ sum, tokens: tokens.length - from, characters: [...choice].length, bytes: Buffer.byteLength(choice) });

async function scoreAll(handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, requests: readonly Request[]): Promise<Float64Array> {
  const sums = new Float64Array(requests.length);
  let [done, said] = [0, performance.now()];
  for (const bucket of bucketsOf(requests, model.seqLen)) {
    const session = await loadModel(handle, model, { batch: bucket.batch, seqLen: bucket.length, entries: ["evaluate"] });
    try {
      loadWeights(trained.weights, session.executor, session.params);
      for await (const [index, sum] of scoreBucket(session.executor, bucket, requests)) {
        sums[index] = sum;
        done++;
        if (performance.now() - said > 10_000) {
          said = performance.now();
          say(`${grouped(done)} of ${grouped(requests.length)} texts`);
        }
      }
    } finally {
      session.close();
    }
  }
  return sums;
}

/** `0.6243 ± 0.0019`, and beside it what guessing gets. */
export function taskWords({ task, items, chance, cut, results }: TaskOutcome, protocol: TaskProtocol): string {
  const values = results.map((r) => `${r.metric} ${r.value.toFixed(4)} ± ${r.standardError.toFixed(4)}`).join("  ");
  const guess = Number.isNaN(chance) ? "" : `, chance ${chance}`;
  const shortened = cut === 0 ? "" : `, ${grouped(cut)} contexts cut at their beginning`;
  return `${task.padEnd(14)} ${values}  (${protocol} protocol, ${grouped(items)} items${guess}${shortened})\n`;
}

