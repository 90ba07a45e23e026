/** Benchmarks: from names to how their files become items. Prompts as the MoEUT training code and lm-evaluation-harness write them. */
import { basename } from "node:path";
import { UserError } from "../errors.ts";
import { cbt } from "./cbt.ts";
import { CHOICES } from "./choices.ts";
import { at, findFile, findFiles, index, jsonLines, linesOf, lookForFile, text, texts } from "./files.ts";
import type { Item, Loaded, TaskProtocol } from "./items.ts";
import { LAST_WORD } from "./last-word.ts";
import type { Scoring } from "./scoring.ts";

export interface Task {
  /** Share that guessing gets right. */
  readonly chance: number;
  readonly scoring: Scoring;
  readonly load: (folder: string, protocol: TaskProtocol) => Loaded;
}

export const TASKS: Readonly<Record<string, Task>> = {
  /** Warstadt et al. 2020: minimal pairs; the mean over 67 paradigms. */
  blimp: { chance: 0.5, scoring: CHOICES, load: (folder) => ({ items: findFiles(folder, "blimp", ".jsonl").flatMap(blimp) }) },
  /** Bisk et al. 2020, validation. */
  piqa: { chance: 0.5, scoring: CHOICES, load: piqa },
  /** Zellers et al. 2019, validation, from the text form or the published JSONL. */
  hellaswag: { chance: 0.25, scoring: CHOICES, load: hellaswag },
  /** Clark et al. 2018, test. */
  arc_easy: { chance: 0.25, scoring: CHOICES, load: (folder, protocol) => arc(folder, protocol, "ARC-Easy-Test.jsonl") },
  arc_challenge: { chance: 0.25, scoring: CHOICES, load: (folder, protocol) => arc(folder, protocol, "ARC-Challenge-Test.jsonl") },
  /** Paperno et al. 2016, test, as the release of GPT-2 has it: without tokenization. */
  lambada: { chance: 0, scoring: LAST_WORD, load: lambada },
  cbt: { chance: 0.1, scoring: CHOICES, load: cbt },
};

const blimp = (path: string): readonly Item[] => jsonLines(path, (value, line) => ({
  id: `${text(value, "UID")}:${line}`, group: text(value, "UID"), context: "",
  kinds: { field: text(value, "field").replace("/", "_"), linguistics_term: phenomenon(text(value, "linguistics_term")) },
  choices: [text(value, "sentence_good"), text(value, "sentence_bad")], gold: 0,
}));

/** The twelve of the paper, which counts s-selection to argument structure. */
const phenomenon = (term: string): string => (term === "s-selection" ? "argument_structure" : term);

/** The training code strips the goal. */
function piqa(folder: string, protocol: TaskProtocol): Loaded {
  const [data, labels] = [findFile(folder, "piqa", "valid.jsonl"), findFile(folder, "piqa", "valid-labels.lst")];
  const gold = linesOf(labels).map((line, i) => at(labels, i + 1, () => index(line.trim(), 2, "the label")));
  const goalOf = (goal: string): string => (protocol === "moeut" ? goal.trim() : goal);
  const items = jsonLines(data, (value, line) => ({
    id: `piqa:${line}`, group: "piqa", context: `Question: ${goalOf(text(value, "goal"))}\nAnswer:`,
    choices: [text(value, "sol1"), text(value, "sol2")], gold: gold[line - 1] ?? 0,
  }));
  if (items.length !== gold.length) throw new UserError(`${data} has ${items.length} items, and ${labels} has ${gold.length} labels`);
  return { items };
}

function arc(folder: string, protocol: TaskProtocol, name: string): Loaded {
  const items = jsonLines(findFile(folder, "arc", name), (value) => {
    const question = value["question"] as { readonly stem?: unknown; readonly choices?: unknown } | null | undefined;
    if (typeof question?.stem !== "string" || !Array.isArray(question.choices)) throw new Error("it has no question with choices");
    const choices = question.choices as readonly { readonly text: string; readonly label: string }[];
    const gold = choices.findIndex(({ label }) => label === value["answerKey"]);
    if (gold < 0) throw new Error(`no choice has the label ${JSON.stringify(value["answerKey"])}`);
    const answers = texts(choices.map((choice) => choice.text), "the choices");
    return { id: text(value, "id"), group: "arc", context: `Question: ${question.stem}\nAnswer:`, choices: answers, gold };
  });
  return { items: protocol === "harness" ? items : items.filter(({ choices }) => choices.length === 4) };
}

/** What follows the last space: in some lines that has a line break. */
function lambada(folder: string): Loaded {
  return { items: jsonLines(findFile(folder, "lambada", "lambada_test.jsonl"), (value, line) => {
    const whole = text(value, "text");
    const space = whole.lastIndexOf(" ");
    if (space < 1 || space === whole.length - 1) throw new Error("the text has no last word behind others");
    return { id: `lambada:${line}`, group: "lambada", context: whole.slice(0, space), choices: [whole.slice(space + 1)], gold: 0 };
  }) };
}

function hellaswag(folder: string, protocol: TaskProtocol): Loaded {
  const plain = lookForFile(folder, "hellaswag", "hellaswag_val_full.txt");
  return plain !== null ? { items: hellaswagText(plain), variant: "text form" } : { items: hellaswagFields(folder, protocol) };
}

function hellaswagFields(folder: string, protocol: TaskProtocol): readonly Item[] {
  return jsonLines(findFile(folder, "hellaswag", "hellaswag_val.jsonl"), (value, line) => {
    const [a, b] = [text(value, "ctx_a"), text(value, "ctx_b")];
    const clean = (words: string): string => cleaned(words, protocol);
    return {
      id: `hellaswag:${line}`, group: "hellaswag", context: clean(`${text(value, "activity_label")}: ${a} ${capitalized(b)}`),
      choices: texts(value["endings"], "endings").map(clean), gold: index(value["label"], 4, "the label"),
    };
  });
}

/** Six lines an item: context, number of the right ending, four endings. */
function hellaswagText(path: string): readonly Item[] {
  const lines = linesOf(path);
  if (lines.length % 6 !== 0) throw new UserError(`${path} has ${lines.length} lines, and its items six each`);
  return Array.from({ length: lines.length / 6 }, (_, i) => at(path, 6 * i + 2, () => ({
    id: `hellaswag:${i + 1}`, group: "hellaswag", context: lines[6 * i]!, choices: lines.slice(6 * i + 2, 6 * i + 6),
    gold: index(lines[6 * i + 1]!.trim(), 4, "the number of the right ending"),
  })));
}

/** As Python's str.capitalize: the rest becomes lower case. */
const capitalized = (words: string): string => words.slice(0, 1).toUpperCase() + words.slice(1).toLowerCase();

/** The training code means to remove markers in brackets, and its pattern does not. */
const cleaned = (words: string, protocol: TaskProtocol): string => {
  const titled = words.trim().replaceAll(" [title]", ". ");
  return (protocol === "harness" ? titled.replace(/\[.*?\]/g, "") : titled).replaceAll("  ", " ");
};

/** A set of one's own: JSONL with `choices`, `gold`, and perhaps `context` (without, whole sentences are compared), `id` and `group`. */
export const ownTask = (path: string): Task => ({
  chance: NaN,
  scoring: CHOICES,
  load: () => ({ items: jsonLines(path, (value, line) => {
    const choices = texts(value["choices"], "choices");
    const optional = (field: string, otherwise: string): string => (value[field] === undefined ? otherwise : text(value, field));
    return {
      id: optional("id", `${basename(path)}:${line}`), group: optional("group", basename(path)), context: optional("context", ""),
      choices, gold: index(value["gold"], choices.length, "gold"),
    };
  }) }),
});
