/** Tasks of pairs in `eval`: answers by greedy decoding, exactly right or wrong, one record for each item. */
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { AdapterHandle } from "../runtime/adapter/index.ts";
import { decodeText } from "../runtime/data/index.ts";
import { UserError } from "../runtime/errors.ts";
import { sequences, type Sequence } from "../runtime/pairs/data.ts";
import { answerAll, type Answer, type DecodeOptions } from "../runtime/pairs/decode.ts";
import { tabLines } from "../runtime/pairs/files.ts";
import { byKind, judge, share, type Judged, type Share } from "../runtime/pairs/judge.ts";
import type { Pair, TestSet } from "../runtime/pairs/pair.ts";
import { PAIR_TASKS, pairTask } from "../runtime/pairs/tasks.ts";
import { loadWeights } from "../runtime/train/index.ts";
import { loadModel } from "../api/session.ts";
import { grouped, say } from "./terminal.ts";
import type { TrainedRun } from "./trained-run.ts";

export interface PairTest extends TestSet {
  /** Words of an answer at most. */
  readonly limit: number;
}

export interface PairOutcome {
  readonly task: string;
  readonly items: number;
  readonly limit: number;
  readonly results: readonly ({ readonly metric: string } & Share)[];
  readonly kinds: Readonly<Record<string, Share>>;
  readonly records: readonly PairRecord[];
}

type PairRecord = Pair & Judged & { readonly task: string; readonly id: string; readonly answer: string; readonly ended: boolean };

const isFile = (name: string): boolean => /\.tsv(\.gz)?$/.test(name);

/** The name of a task of pairs, or a file of them. */
export const isPairTest = (name: string): boolean => PAIR_TASKS.includes(name) || isFile(name);

/** What the task that the run was trained on is tested with; files of one's own. UserError for a task that it was not trained on. */
export function loadPairTests(name: string, { folder, info: { data } }: TrainedRun, from: string | null): readonly PairTest[] {
  const task = pairTask(data.source);
  const trainedOn = data.source.join(" ");
  if (task === null) throw new UserError(`${folder} was trained on ${trainedOn}, which are no pairs: it cannot answer ${name}`);
  if (isFile(name)) return [{ name, pairs: tabLines(name), limit: task.limit }];
  if (!trainedOn.startsWith(name)) throw new UserError(`${folder} was trained on ${trainedOn}, and not on ${name}`);
  const tests = task.tests(from);
  if (tests.length === 0) throw new UserError(`${trainedOn} has no test items of its own: name a file of them, --tasks FILE.tsv`);
  return tests.map((test) => ({ ...test, limit: task.limit }));
}

/** Prompts that are continued at once. */
const TEXTS = 64;

/** @param model that of the run, at its own depth or another */
export async function runPairTest(handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, test: PairTest): Promise<PairOutcome> {
  const { name, pairs, limit } = test;
  const all = pairs.map(sequences(trained.tokenizer));
  sayPositions(name, model, all, trained);
  const answers = await answersTo(handle, model, trained, all, limit);
  const records = pairs.map((pair, i): PairRecord => {
    const { tokens, ended, oracle } = answers[i]!;
    const answered = { answer: wordsOf(trained, tokens), ended, oracle: wordsOf(trained, oracle) };
    return { task: name, id: `${name}:${i + 1}`, ...pair, answer: answered.answer, ended, ...judge(pair, answered, limit) };
  });
  const exact = records.map((record) => record.exact);
  const results = [{ metric: limit === 1 ? "accuracy" : "exact_match", ...share(exact) },
    ...(limit === 1 ? [] : [{ metric: "with_oracle_end", ...share(records.map(({ oracle }) => oracle)) }])];
  return { task: name, items: pairs.length, limit, results, kinds: byKind(pairs, exact), records };
}

const wordsOf = ({ tokenizer }: TrainedRun, tokens: readonly number[]): string => decodeText(tokenizer, tokens);

/** Prompts of one length together, and of those the ones whose answers are about as long. */
function batchesOf(all: readonly Sequence[]): readonly (readonly number[])[] {
  const order = [...all.keys()].sort((a, b) => all[a]!.from - all[b]!.from || all[a]!.tokens.length - all[b]!.tokens.length || a - b);
  const batches: number[][] = [];
  for (const index of order) {
    const last = batches.at(-1);
    if (last === undefined || last.length === TEXTS || all[last[0]!]!.from !== all[index]!.from) batches.push([index]);
    else last.push(index);
  }
  return batches;
}

async function answersTo(
  handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, all: readonly Sequence[], limit: number,
): Promise<readonly Answer[]> {
  const { vocabSize, endOfText } = trained.tokenizer;
  const prompt = all.reduce((most, { from }) => Math.max(most, from), 0);
  const capacity = prompt + all.reduce((most, { tokens, from }) => Math.max(most, tokens.length - from), limit);
  const texts = Math.min(TEXTS, all.length);
  const session = await loadModel(handle, model, { batch: 1, seqLen: capacity, texts, chunk: Math.min(prompt, 64), entries: ["prefill", "decode"] });
  const answers = new Array<Answer>(all.length);
  const options: DecodeOptions = { eos: endOfText!, limit, vocabSize, capacity };
  let [done, said] = [0, performance.now()];
  try {
    loadWeights(trained.weights, session.executor, session.params);
    for (const batch of batchesOf(all)) {
      const questions = batch.map((i) => ({ prompt: all[i]!.tokens.slice(0, all[i]!.from), length: all[i]!.tokens.length - all[i]!.from - 1 }));
      (await answerAll(session.executor, questions, options)).forEach((answer, i) => (answers[batch[i]!] = answer));
      done += batch.length;
      if (performance.now() - said <= 10_000) continue;
      said = performance.now();
      say(`${grouped(done)} of ${grouped(all.length)} answers`);
    }
  } finally {
    session.close();
  }
  return answers;
}

/** Says where right answers reach positions that no training reached, and how the model tells those. */
function sayPositions(name: string, model: ModelSpec, all: readonly Sequence[], { info: { data: { positions } } }: TrainedRun): void {
  const reached = all.reduce((most, { tokens }) => Math.max(most, tokens.length - 1), 0);
  if (positions === undefined || reached <= positions) return;
  say(`note: items of ${name} take up to ${reached} positions, and training took ${positions}: what lies beyond was never seen (${encodingOf(model)})`);
}

function encodingOf({ layers, core }: ModelSpec): string {
  const found = [
    ...(layers.some(({ attention }) => attention.rope !== null) ? ["rotary positions"] : []),
    ...(layers.some(({ attention }) => attention.relative !== null) ? ["relative positions"] : []),
    ...(core?.passEmbedding?.kind === "sinusoidal" && core.passEmbedding.positions ? ["sinusoidal positions"] : []),
  ];
  return found.length === 0 ? "this model has no position encoding" : found.join(" and ");
}

/** For --json. */
export function pairDocument({ records: _, results, kinds, ...rest }: PairOutcome): Readonly<Record<string, unknown>> {
  const shown = ({ standardError, ...share }: Share) => ({ ...share, standard_error: standardError });
  return {
    ...rest, results: results.map(({ metric, ...of }) => ({ metric, ...shown(of) })),
    kinds: Object.fromEntries(Object.entries(kinds).map(([kind, of]) => [kind, shown(of)])),
  };
}

/** A line for each figure, and below them the first by kind. */
export function pairWords({ task, items, limit, results, kinds }: PairOutcome): string {
  const how = limit === 1 ? "the most probable word" : `greedy, at most ${limit} words and the end`;
  const lines = results.map(({ metric, value, standardError }, i) =>
    `${metric.padEnd(20)} ${value.toFixed(4)} ± ${standardError.toFixed(4)}${i === 0 ? `  (${grouped(items)} items, ${how})` : ""}`);
  const parts = Object.entries(kinds).map(([kind, { value, items: n }]) => `${kind}: ${value.toFixed(3)} of ${grouped(n)}`);
  const all = parts.length < 2 ? lines : [...lines, `${"by kind".padEnd(20)} ${parts.join(", ")}`];
  return all.map((line, i) => `${(i === 0 ? task : "").padEnd(14)} ${line}\n`).join("");
}
