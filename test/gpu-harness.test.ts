/** `eval --protocol harness` beside lm-evaluation-harness itself, which scores the exported model: its tasks and code, item by item. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { moeutHere } from "./support/cli.ts";
import { scratchFolder } from "./support/scratch.ts";
import { EXPERTS, PASSAGES } from "./support/small-specs.ts";
import { harnessPython, runPython } from "./support/torch/python.ts";

const { root, file } = scratchFolder("harness");
const at = (name: string): string => join(root, name);
const jsonl = (name: string, lines: readonly object[]): string => file(name, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));

const PAIRS = [["the cat sits.", "the cat sit."], ["the dogs sit.", "the dogs sit."], ["Çat", "cat"]] as const;
/** Spaces around solutions, characters of several bytes, a context that is cut. */
const GOALS = [
  { goal: "2 + 2 ", solutions: [" 4", "four  "], label: 0 },
  { goal: `${"3 + 3 = 6. ".repeat(20)}3`, solutions: ["6", "the dogs"], label: 0 },
  { goal: "how to sit", solutions: ["sit ßßßßßß", "dogs and the"], label: 1 }, { goal: "é", solutions: ["sit", "sits"], label: 1 },
] as const;
const QUESTIONS = [
  { stem: "3 + 3 =", choices: ["4", "6", "2", "3"], answer: "B" }, { stem: "the dogs …", choices: ["sit.", "sits.", "and"], answer: "A" },
];
const STORIES = [
  { ctx_a: "the cat [title]  sits", ctx_b: "The DOGS", endings: ["sit [step] . 2", " sits", "cat  6", "="], label: 0 },
  { ctx_a: "2 + 2 [title] = 4", ctx_b: "", endings: ["3", "4.", "the", "and ß"], label: 2 },
].map((story) => ({ activity_label: "Sitting [x] down", ...story }));
const labelled = (choices: readonly string[]): readonly { readonly text: string; readonly label: string }[] =>
  choices.map((text, i) => ({ text, label: "ABCD"[i]! }));

const CPU = ["--adapter", "cpu"];
const TASKS = ["blimp", "lambada", "piqa", "arc_easy", "hellaswag"];

/** The files that are published, and the columns that the harness's data sets have. */
function writeTasks(): void {
  const pairs = PAIRS.map(([sentence_good, sentence_bad]) => ({ sentence_good, sentence_bad }));
  const lambada = PASSAGES.map((text) => ({ text }));
  jsonl("data/blimp/p.jsonl", pairs.map((pair) => ({ ...pair, UID: "p", field: "syntax", linguistics_term: "ellipsis" })));
  jsonl("harness/ellipsis_n_bar_1.jsonl", pairs);
  jsonl("data/lambada/lambada_test.jsonl", lambada);
  jsonl("harness/lambada_openai.jsonl", lambada);
  jsonl("data/piqa/valid.jsonl", GOALS.map(({ goal, solutions: [sol1, sol2] }) => ({ goal, sol1, sol2 })));
  file("data/piqa/valid-labels.lst", GOALS.map(({ label }) => `${label}\n`).join(""));
  jsonl("harness/piqa.jsonl", GOALS.map(({ goal, solutions: [sol1, sol2], label }) => ({ goal, sol1, sol2, label })));
  for (const name of ["data/hellaswag/hellaswag_val.jsonl", "harness/hellaswag.jsonl"]) jsonl(name, STORIES);
  jsonl("data/arc/ARC-Easy-Test.jsonl", QUESTIONS.map(({ stem, choices, answer }, i) =>
    ({ id: `q${i}`, question: { stem, choices: labelled(choices) }, answerKey: answer })));
  jsonl("harness/arc_easy.jsonl", QUESTIONS.map(({ stem, choices, answer }) =>
    ({ question: stem, choices: { text: choices, label: labelled(choices).map(({ label }) => label) }, answerKey: answer })));
}

const python = await harnessPython();

describe.skipIf(python === null)("lm-evaluation-harness", () => {
  beforeAll(async () => {
    writeTasks();
    const corpus = file("corpus.txt", "the cat sits and the dogs sit. 2 + 2 = 4 and 3 + 3 = 6. Question: sit. sit.\nAnswer: ".repeat(40));
    for (const args of [
      ["tokenizer", "train", corpus, "--vocab-size", "300", "--out", at("tokenizer.json")],
      ["train", file("small.moeut", EXPERTS), "--data", corpus, "--tokenizer", at("tokenizer.json"), "--out", at("run"), ...CPU],
      ["eval", at("run"), "--tasks", TASKS.join(","), "--data", at("data"), "--protocol", "harness", "--items", at("items.jsonl"), ...CPU],
      ["export", "hf", at("run"), "--out", at("exported")],
    ]) expect(await moeutHere(args)).toMatchObject({ status: 0 });
  });

  test("gives every choice of every document the same sum, and calls the same ones right", () => {
    const ours = lines(readFileSync(at("items.jsonl"), "utf8")) as readonly Item[];
    const script = join(import.meta.dirname, "support", "torch", "harness.py");
    const theirs = lines(runPython(python!, [script, at("exported"), at("harness")])) as readonly Theirs[];
    const of = (task: string): readonly Theirs[] => theirs.filter((line) => line.task.startsWith(task));
    const inOrder = TASKS.flatMap(of);
    expect(inOrder).toHaveLength(ours.length);
    for (const [i, { sums, acc, acc_norm }] of inOrder.entries()) {
      const { id, choices, measures } = ours[i]!;
      choices.forEach(({ sum }, c) => expect(Math.abs(sum / sums[c]! - 1), id).toBeLessThan(1e-5));
      expect({ id, acc: measures["acc"], acc_norm: measures["acc_norm"] }).toEqual({ id, acc, acc_norm });
    }
    expect(new Set(theirs.map(({ acc }) => acc))).toEqual(new Set([0, 1]));
  });
});

interface Item {
  readonly id: string;
  readonly choices: readonly { readonly sum: number }[];
  readonly measures: Readonly<Record<string, number>>;
}

interface Theirs {
  readonly task: string;
  readonly sums: readonly number[];
  readonly acc: number;
  readonly acc_norm?: number;
}

/** Of JSON, among what else a program says. */
const lines = (text: string): readonly unknown[] =>
  text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as unknown);
