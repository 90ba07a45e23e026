/** Tasks of pairs by what is said behind --data. */
import { basename, dirname } from "node:path";
import { scanSplit, SCAN_SPLITS, type ScanPair, type ScanSplit } from "../data/scan.ts";
import { UserError } from "../errors.ts";
import { findFile, lookForFile } from "../tasks/files.ts";
import { scanLines, tabLines } from "./files.ts";
import { listops, LISTOPS_WORDS } from "./listops.ts";
import type { Pair, PairTask, TestSet } from "./pair.ts";

const SCAN = {
  words: ["walk", "look", "run", "jump", "turn", "left", "right", "opposite", "around", "twice", "thrice", "and", "after",
    "I_WALK", "I_LOOK", "I_RUN", "I_JUMP", "I_TURN_LEFT", "I_TURN_RIGHT"],
  more: [], validation: () => null, oneWord: false, by: "length",
} as const;

const scanPair = ({ command, actions }: ScanPair): Pair => ({ source: command, target: actions.join(" "), kind: String(actions.length) });

const generatedScan = (split: ScanSplit): PairTask => ({
  ...SCAN,
  train: () => scanSplit(split).train.map(scanPair),
  tests: () => [{ name: `scan:${split}`, pairs: scanSplit(split).test.map(scanPair) }],
});

/** A published training file, "tasks_train_simple.txt", whose test file has the same name but for "test". */
function publishedScan(path: string): PairTask {
  const name = /^tasks_train_(.+?)\.txt(\.gz)?$/.exec(basename(path));
  if (name === null) {
    throw new UserError(`scan has no split "${path}"; choose one of ${SCAN_SPLITS.join(", ")}, or name a file tasks_train_SPLIT.txt`);
  }
  const testFile = `tasks_test_${name[1]}.txt`;
  return {
    ...SCAN, train: () => scanLines(path),
    tests: (folder) => [{ name: `scan:${name[1]}, published`, pairs: scanLines(findFile(folder ?? dirname(path), "scan", testFile)) }],
  };
}

/** As many as the published set with nesting up to 20, of which a tenth are test items. */
const LISTOPS_ITEMS = 100_000;

/** With a depth, training nests at most so deep, and test items deeper. */
function listopsTask(of: string): PairTask {
  const depth = of === "" ? null : Number(of);
  if (depth !== null && !(Number.isInteger(depth) && depth >= 1 && depth < 19)) {
    throw new UserError(`listops:${of}: the depth is to be a whole number from 1 to 18, or left out`);
  }
  const name = depth === null ? "listops" : `listops, nested deeper than ${depth}`;
  const isTest = ({ kind }: Pair, i: number): boolean => (depth === null ? i < LISTOPS_ITEMS / 10 : Number(kind) > depth);
  return {
    words: LISTOPS_WORDS, more: [], validation: () => null, oneWord: true, by: "depth",
    train: () => listops(LISTOPS_ITEMS).filter((pair, i) => !isTest(pair, i)),
    tests: () => [{ name, pairs: listops(LISTOPS_ITEMS).filter(isTest) }],
  };
}

/** Positions in a sentence: those of the deep kinds are greater than all of training. */
const INDICES = Array.from({ length: 64 }, (_, i) => String(i));

const cogs = (folder: string): PairTask => ({
  words: null, more: INDICES, oneWord: false, by: "kind",
  train: () => tabLines(findFile(folder, "cogs", "train.tsv")),
  validation: () => tabLines(findFile(folder, "cogs", "dev.tsv")),
  tests: (other) => cogsTests(other ?? folder),
});

/** The generalization set where it is, beside the other. */
function cogsTests(folder: string): readonly TestSet[] {
  const gen = lookForFile(folder, "cogs", "gen.tsv");
  const test = { name: "cogs:test", pairs: tabLines(findFile(folder, "cogs", "test.tsv")) };
  return gen === null ? [test] : [test, { name: "cogs:gen", pairs: tabLines(gen) }];
}

/** Lines of one's own; what to test with is named in eval. */
const ownPairs = (path: string): PairTask => ({
  words: null, more: [], train: () => tabLines(path), validation: () => null, tests: () => [], oneWord: false, by: "kind",
});

const TASKS: Readonly<Record<string, (of: string) => PairTask>> = {
  scan: (of) => (SCAN_SPLITS.some((split) => split === of) ? generatedScan(of as ScanSplit) : publishedScan(of)),
  listops: listopsTask,
  cogs,
  pairs: ownPairs,
};

export const PAIR_TASKS = Object.keys(TASKS);

/** The task that a source names, as "scan:length" does; null for a text. UserError for a task that cannot be. */
export function pairTask(source: readonly string[]): PairTask | null {
  const [, name, of = ""] = /^([a-z]+)(?::(.*))?$/s.exec(source[0] ?? "") ?? [];
  if (source.length !== 1 || name === undefined || !Object.hasOwn(TASKS, name) || (name !== "listops" && of === "")) return null;
  return TASKS[name]!(of);
}
