/** Hill et al. 2016, the Children's Book Test: which of ten words stood in a sentence behind twenty others. */
import { at, findFile, linesOf } from "./files.ts";
import type { Item, Loaded, TaskProtocol } from "./items.ts";

/** Common nouns, named entities; by moeut also prepositions and verbs. */
const TYPES: Readonly<Record<TaskProtocol, readonly string[]>> = { moeut: ["CN", "NE", "P", "V"], harness: ["CN", "NE"] };

/** One item of a file. */
interface Cloze {
  readonly id: string;
  readonly sentences: readonly string[];
  /** With XXXXX in place of the word. */
  readonly query: string;
  readonly answer: string;
  /** All different, the answer among them. */
  readonly options: readonly string[];
}

export function cbt(folder: string, protocol: TaskProtocol): Loaded {
  const read = TYPES[protocol].map((type) => ({ type, clozes: readClozes(folder, type) }));
  const isUsed = ({ options }: Cloze): boolean => protocol === "harness" || options.length === 10;
  const items = read.flatMap(({ type, clozes }) => clozes.filter(isUsed).map((cloze) => ITEMS[protocol](cloze, type)));
  const skipped = read.flatMap(({ clozes }) => clozes).filter((cloze) => !isUsed(cloze)).map(({ id }) => id);
  return { items, notes: skipped.length === 0 ? [] : [skippedWords(skipped)] };
}

const skippedWords = (ids: readonly string[]): string =>
  `cbt: ${ids.length} items without ten different candidates are skipped (${ids.slice(0, 3).join(", ")}${ids.length > 3 ? " …" : ""})`;

const ITEMS: Readonly<Record<TaskProtocol, (cloze: Cloze, type: string) => Item>> = {
  /** The word and the rest of its sentence are scored. */
  moeut({ id, sentences, query, answer, options }, type) {
    const [head, tail] = detokenized(query).split("XXXXX") as [string, string];
    const context = `${sentences.map(detokenized).join(" ")} ${head}`;
    return { id, group: type, context, choices: options.map((option) => option + tail), glued: true, gold: options.indexOf(answer) };
  },
  /** All is scored. */
  harness({ id, sentences, query, answer, options }, type) {
    const text = detokenized(`Passage: ${sentences.join(" ")}\nQuestion: ${query}`);
    const choices = options.map((option) => text.replaceAll("XXXXX", () => option));
    return { id, group: type, context: "", choices, glued: true, gold: options.indexOf(answer) };
  },
};

/** From the way of the Penn Treebank, as both protocols do. */
function detokenized(text: string): string {
  return text.replaceAll(" '", "'").replaceAll(" \n", "\n").replaceAll("\n ", "\n").replaceAll(" n't", "n't")
    .replaceAll("`` ", '"').replaceAll("''", '"').replace(/ ([:;!?,.])/g, "$1");
}

/** Items of 21 numbered lines, with empty ones between them. */
function readClozes(folder: string, type: string): readonly Cloze[] {
  const path = findFile(folder, "cbt", `cbtest_${type}_test_2500ex.txt`);
  const lines = linesOf(path).map((text, i) => ({ text, line: i + 1 })).filter(({ text }) => text.trim() !== "");
  return Array.from({ length: Math.ceil(lines.length / 21) }, (_, i) => {
    const sentences = Array.from({ length: 21 }, (_, n) => {
      const { text, line } = lines[21 * i + n] ?? { text: "", line: lines.at(-1)!.line + 1 };
      return at(path, line, () => numbered(text, n + 1));
    });
    const id = `cbt_${type}:${i + 1}`;
    return at(path, lines[21 * i + 20]!.line, () => ({ id, sentences: sentences.slice(0, 20), ...question(sentences[20]!) }));
  });
}

function numbered(text: string, number: number): string {
  const [, found, sentence] = /^(\d+) (.*)$/.exec(text) ?? [];
  if (Number(found) !== number) throw new Error(`here should be line ${number} of the 21 of an item`);
  return sentence!;
}

/** Query, answer, nothing, candidates: between tabs. */
function question(text: string): Pick<Cloze, "query" | "answer" | "options"> {
  const [query, answer, candidates, ...rest] = text.split("\t").filter((field) => field !== "");
  if (candidates === undefined || rest.length > 0) throw new Error("it is not a query, an answer and candidates, with tabs between them");
  if (!query!.includes("XXXXX")) throw new Error("the query has no XXXXX");
  const listed = candidates.split("|").filter((candidate) => candidate !== "");
  return { query: query!, answer: answer!, options: [...new Set(listed.includes(answer!) ? listed : [answer!, ...listed])] };
}
