/** Tasks of pairs in `eval`: answers by greedy decoding, exactly right or wrong, one record for each item. */
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import { decodeText } from "../../runtime/data/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { sequences, type Sequence } from "../../runtime/pairs/data.ts";
import { answerAll, type Answer, type DecodeOptions } from "../../runtime/pairs/decode.ts";
import { tabLines } from "../../runtime/pairs/files.ts";
import { byKind, judge, share, shareOfTokens, type Share } from "../../runtime/pairs/judge.ts";
import type { Pair, PairTask, TestSet } from "../../runtime/pairs/pair.ts";
import { PAIR_TASKS, pairTask } from "../../runtime/pairs/tasks.ts";
import type { Scored } from "../../runtime/tasks/score.ts";
import { grouped, withError } from "../../runtime/units.ts";
import type { PlanOptions } from "../../api/session.ts";
import { countdown } from "../countdown.ts";
import { scoreAll } from "./tasks.ts";
import { say } from "../terminal.ts";
import type { TrainedRun } from "../trained-run.ts";
import { withTrained } from "../with-trained.ts";

export type PairTest = TestSet & Pick<PairTask, "oneWord" | "by">;

export interface PairOutcome {
  readonly task: string;
  readonly items: number;
  readonly oneWord: boolean;
  readonly by: PairTask["by"];
  readonly results: readonly ({ readonly metric: string } & Share)[];
  readonly kinds: Readonly<Record<string, Share>>;
  readonly records: readonly PairRecord[];
}

type PairRecord = Pair & {
  readonly task: string;
  readonly id: string;
  /** Words in front of the end; where none came, one more than the right answer has, and "…" behind them. */
  readonly answer: string;
  readonly exact: number;
  /** See Judged; null where an answer is one word. */
  readonly oracle: number | null;
};

const isFile = (name: string): boolean => /\.tsv(\.gz)?$/.test(name);

/** The name of a task of pairs, or a file of them. */
export const isPairTest = (name: string): boolean => PAIR_TASKS.includes(name) || isFile(name);

/** What the runs were or will be trained on, and what to call them. */
export interface TrainedOn {
  readonly source: readonly string[];
  readonly who: string;
}

/** What the task that was trained on is tested with; files of one's own. UserError for a task that was not trained on. */
export function loadPairTests(name: string, { source, who }: TrainedOn, from: string | null): readonly PairTest[] {
  const task = pairTask(source);
  const trainedOn = source.join(" ");
  if (task === null) throw new UserError(`${who} was trained on ${trainedOn}, which are no pairs: it cannot answer ${name}`);
  if (isFile(name)) return [{ name, pairs: tabLines(name), oneWord: task.oneWord, by: "kind" }];
  if (!trainedOn.startsWith(name)) throw new UserError(`${who} was trained on ${trainedOn}, and not on ${name}`);
  const tests = task.tests(from);
  if (tests.length === 0) throw new UserError(`${trainedOn} has no test items of its own: name a file of them, --tasks FILE.tsv`);
  return tests.map((test) => ({ ...test, oneWord: task.oneWord, by: task.by }));
}

/** Prompts that are continued at once. */
const TEXTS = 64;

/** @param model that of the run, at its own depth or another */
export async function runPairTest(handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, test: PairTest): Promise<PairOutcome> {
  const { name, pairs, oneWord, by } = test;
  const all = pairs.map(sequences(trained.tokenizer));
  sayPositions(name, model, all, trained);
  const forced = await scoreAll(handle, model, trained, all.map((sequence) => ({ ...sequence, cut: 0 })), true);
  const judged = oneWord ? pairs.map((pair, i) => firstWord(trained, pair, forced[i]!))
    : await decoded(handle, model, trained, pairs, all);
  const records = pairs.map((pair, i): PairRecord => ({ task: name, id: `${name}:${i + 1}`, ...pair, ...judged[i]! }));
  const exact = judged.map((of) => of.exact);
  const results = oneWord ? [{ metric: "accuracy", ...share(exact) }] : [
    { metric: "exact_match", ...share(exact) },
    { metric: "with_oracle_end", ...share(judged.flatMap(({ oracle }) => oracle ?? [])) },
    { metric: "token_accuracy", ...shareOfTokens(forced.map(rightTokens)) },
  ];
  return { task: name, items: pairs.length, oneWord, by, results, kinds: byKind(pairs, exact), records };
}

const rightTokens = ({ tokens, best }: Scored) =>
  ({ tokens: tokens.length, right: tokens.filter((token, i) => token === best![i]).length });

type Judgement = Pick<PairRecord, "answer" | "exact" | "oracle">;

/** Where an answer is one word: the most probable one behind the question. */
function firstWord(trained: TrainedRun, { target }: Pair, { best }: Scored): Judgement {
  const answer = wordsOf(trained, [best![0]!]);
  return { answer, exact: Number(answer === target), oracle: null };
}

async function decoded(
  handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, pairs: readonly Pair[], all: readonly Sequence[],
): Promise<readonly Judgement[]> {
  const answers = await answersTo(handle, model, trained, all);
  return pairs.map((pair, i) => {
    const { tokens, ended, oracle } = answers[i]!;
    const answer = wordsOf(trained, tokens);
    return { answer: ended ? answer : `${answer} …`, ...judge(pair, { answer, ended, oracle: wordsOf(trained, oracle) }) };
  });
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

/** @returns what stands in front of an answer, and the tokens of the right one */
const question = ({ tokens, from }: Sequence) => ({ prompt: tokens.slice(0, from), length: tokens.length - from - 1 });

async function answersTo(
  handle: AdapterHandle, model: ModelSpec, trained: TrainedRun, all: readonly Sequence[],
): Promise<readonly Answer[]> {
  const { vocabSize, endOfText } = trained.tokenizer;
  const prompt = all.reduce((most, { from }) => Math.max(most, from), 0);
  const capacity = prompt + all.reduce((most, { tokens, from }) => Math.max(most, tokens.length - from), 0);
  const texts = Math.min(TEXTS, all.length);
  const plan: PlanOptions = { batch: 1, seqLen: capacity, texts, chunk: Math.min(prompt, 64), entries: ["prefill", "decode"] };
  const answers = new Array<Answer>(all.length);
  const options: DecodeOptions = { eos: endOfText!, vocabSize, capacity };
  const onAnswers = countdown(all.length, "answers");
  let done = 0;
  await withTrained(handle, model, trained, plan, async (executor) => {
    for (const batch of batchesOf(all)) {
      const questions = batch.map((i) => question(all[i]!));
      (await answerAll(executor, questions, options)).forEach((answer, i) => (answers[batch[i]!] = answer));
      onAnswers(done += batch.length);
    }
  });
  return answers;
}

/** Says where right answers reach positions that no training reached, and how the model tells those. */
function sayPositions(name: string, model: ModelSpec, all: readonly Sequence[], { info: { data: { positions } } }: TrainedRun): void {
  const reached = all.reduce((most, { tokens }) => Math.max(most, tokens.length - 1), 0);
  if (positions === undefined || reached <= positions) return;
  say(`note: items of ${name} take up to ${reached} positions, and training took ${positions}: `
    + `what lies beyond was never seen (${encodingOf(model)})`);
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
export function pairDocument({ records: _, oneWord: __, results, kinds, ...rest }: PairOutcome): Readonly<Record<string, unknown>> {
  const shown = ({ standardError, ...share }: Share) => ({ ...share, standard_error: standardError });
  return {
    ...rest, results: results.map(({ metric, ...of }) => ({ metric, ...shown(of) })),
    kinds: Object.fromEntries(Object.entries(kinds).map(([kind, of]) => [kind, shown(of)])),
  };
}

/** More kinds than that are for --json: COGS has 21, and two means of them. */
const FEW_KINDS = 23;

/** A line for each figure, and below them the first by kind. */
export function pairWords({ task, items, oneWord, by, results, kinds }: PairOutcome): string {
  const how = oneWord ? "the most probable word" : "greedy, at most a word more than is right";
  const lines = results.map(({ metric, value, standardError }, i) =>
    `${metric.padEnd(20)} ${withError(value, standardError, 4)}${i === 0 ? `  (${grouped(items)} items, ${how})` : ""}`);
  const parts = Object.entries(kinds).map(([kind, { value, items: n }]) => `${kind}: ${value.toFixed(3)} of ${grouped(n)}`);
  const all = parts.length < 2 || parts.length > FEW_KINDS ? lines : [...lines, `${`by ${by}`.padEnd(20)} ${parts.join(", ")}`];
  return all.map((line, i) => `${(i === 0 ? task : "").padEnd(14)} ${line}\n`).join("");
}
