/**
 * SCAN (Lake and Baroni 2018): commands such as "jump twice and walk left" with the actions they mean. The grammar
 * is small enough to be written down, so the data is generated: 20,910 pairs.
 */
import { permutation } from "./shuffle.ts";

export interface ScanPair {
  readonly command: string;
  readonly actions: readonly string[];
}

export const SCAN_SPLITS = ["simple", "length", "addprim_jump", "addprim_turn_left", "around_right"] as const;
export type ScanSplit = (typeof SCAN_SPLITS)[number];

const VERBS = ["walk", "look", "run", "jump"];
const DIRECTIONS = ["left", "right"];

const repeat = (actions: readonly string[], times: number): readonly string[] => Array.from({ length: times }, () => actions).flat();
const pair = (command: string, actions: readonly string[]): ScanPair => ({ command, actions });

/** Verbs by themselves, and verbs and "turn" with a direction: 34 phrases. */
function phrases(): readonly ScanPair[] {
  const plain = VERBS.map((verb) => pair(verb, [action(verb)]));
  const directed = [...VERBS, "turn"].flatMap((verb) => DIRECTIONS.flatMap((direction) => directedPhrases(verb, direction)));
  return [...plain, ...directed];
}

const action = (word: string): string => `I_${word.toUpperCase()}`;

function directedPhrases(verb: string, direction: string): readonly ScanPair[] {
  const turn = [action(`turn_${direction}`)];
  const act = verb === "turn" ? [] : [action(verb)];
  return [
    pair(`${verb} ${direction}`, [...turn, ...act]),
    pair(`${verb} opposite ${direction}`, [...turn, ...turn, ...act]),
    pair(`${verb} around ${direction}`, repeat([...turn, ...act], 4)),
  ];
}

/** All commands in the order of the grammar: phrase; repetition; conjunction. */
export function scanPairs(): readonly ScanPair[] {
  const single = phrases().flatMap(({ command, actions }) => [
    pair(command, actions),
    pair(`${command} twice`, repeat(actions, 2)),
    pair(`${command} thrice`, repeat(actions, 3)),
  ]);
  const joined = single.flatMap((a) =>
    single.flatMap((b) => [
      pair(`${a.command} and ${b.command}`, [...a.actions, ...b.actions]),
      pair(`${a.command} after ${b.command}`, [...b.actions, ...a.actions]),
    ]),
  );
  return [...single, ...joined];
}

/** Pairs with at most this many actions are for training in the split "length". */
const LONGEST_TRAINED = 22;

/** How often the published splits repeat the one command that shows the primitive. */
const REPEATS: Readonly<Record<string, number>> = { jump: 1467, "turn left": 2189 };

/**
 * Training and test pairs of a split. "length", "addprim_jump", "addprim_turn_left" and "around_right" (Loula et al. 2018) are the
 * published ones, repeated lines included. "simple" is 80 % to 20 % as published, but drawn here: the published draw is not documented.
 */
export function scanSplit(split: ScanSplit): { readonly train: readonly ScanPair[]; readonly test: readonly ScanPair[] } {
  const all = scanPairs();
  switch (split) {
    case "simple": return drawn(all);
    case "length": return partition(all, ({ actions }) => actions.length <= LONGEST_TRAINED);
    case "addprim_jump": return primitive(all, "jump");
    case "addprim_turn_left": return primitive(all, "turn left");
    case "around_right": return template(all);
  }
}

function partition(all: readonly ScanPair[], isTrain: (pair: ScanPair) => boolean) {
  return { train: all.filter(isTrain), test: all.filter((pair) => !isTrain(pair)) };
}

function drawn(all: readonly ScanPair[]) {
  const shuffled = shuffledPairs(all);
  const nTrain = Math.floor(all.length * 0.8);
  return { train: shuffled.slice(0, nTrain), test: shuffled.slice(nTrain) };
}

/** Training holds commands without the words, and the words as a command of their own. */
function primitive(all: readonly ScanPair[], words: string) {
  const isTrain = ({ command }: ScanPair): boolean => command === words || !` ${command} `.includes(` ${words} `);
  const { train, test } = partition(all, isTrain);
  const shown = all.find(({ command }) => command === words)!;
  return { train: [...train, ...Array.from({ length: REPEATS[words]! - 1 }, () => shown)], test };
}

/** What "around right" means is to be inferred from "around left" and "right"; "turn around right" is in neither set. */
function template(all: readonly ScanPair[]) {
  const { train, test } = partition(all, ({ command }) => !command.includes("around right"));
  return { train, test: test.filter(({ command }) => !command.includes("turn around right")) };
}

/** A fixed order in which neighbours have nothing to do with each other. */
function shuffledPairs(pairs: readonly ScanPair[]): readonly ScanPair[] {
  return Array.from(permutation(pairs.length, 0, "scan lines"), (index) => pairs[index]!);
}

/** Lines as published, "IN: command OUT: actions", in a fixed shuffled order. */
export function scanText(pairs: readonly ScanPair[]): string {
  return shuffledPairs(pairs).map(({ command, actions }) => `IN: ${command} OUT: ${actions.join(" ")}\n`).join("");
}
