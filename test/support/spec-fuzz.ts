/** Inputs of the spec fuzzer: texts that are nearly specs, with imports and overrides. */
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { FUNCTION_NAMES } from "../../compiler/2-check/built-ins.ts";
import type { Field, Kind } from "../../compiler/2-check/field.ts";
import { COMPARE, LAYER, MODEL, STATEMENTS } from "../../compiler/2-check/language.ts";
import { CORPUS, readText, specsIn } from "./corpus.ts";
import type { Dice } from "./fuzz.ts";
import { specText } from "./spec-arbitrary.ts";

export interface SpecInput {
  readonly text: string;
  /** Files that the text may import, by path. */
  readonly imports: Readonly<Record<string, string>>;
  readonly overrides: readonly string[];
}

const DOCS = new URL("../../docs/", import.meta.url);
const pages = readdirSync(DOCS).filter((page) => page.endsWith(".md")).map((page) => readText(DOCS, page));
const FOLDERS = [new URL("good/", CORPUS), new URL("bad/", CORPUS), new URL("../../specs/", import.meta.url)];

/** By name, since they import each other. */
const SHIPPED: Readonly<Record<string, string>> = Object.fromEntries(FOLDERS.flatMap((folder) => specsIn(folder)
  .map((name) => [name, readText(folder, name)])));
const written: readonly string[] = [
  ...Object.values(SHIPPED), ...pages.flatMap((page) => [...page.matchAll(/```moeut\n(.*?)```/gs)].map((match) => match[1]!)),
];

/** A valid spec; the same for the same dice. */
const validText = (dice: Dice): string => fc.sample(specText, { seed: dice.below(2 ** 31), numRuns: 1 })[0]!;

/** Every word that the language table knows, with the paths to fields: "attention mha.n_heads". */
interface Known {
  readonly words: readonly string[];
  readonly paths: readonly { readonly path: string; readonly values: readonly string[] }[];
}

const NUMBERS = ["0", "1", "2", "3", "4", "5", "7", "8", "12", "16", "64", "0.5", "1e-5", "-1", "1.5", "1e-50", "1e-46", "1e39", "1e308", "1e999", "4294967296", "9007199254740993", "16_777_216", "1_048_576", "10K", "44.3M", "9B",
  "1e-3", "2.5e-4", "0.99999999", "1e9", "00", "1_", "0x10", "1.2.3", "1e", ".5", "-0", "99999999999999999999999999"];

function valuesOf({ type }: Field<unknown>): readonly string[] {
  switch (type.type) {
    case "int": return [String(type.min), "1", "2", "4", "8", "solve", String(type.max)];
    case "number": return [...type.words, "0.5", "1", "1e-3", String(type.min), String(type.max)];
    case "flag": return ["true", "false", ...type.words];
    case "choice": return type.choices;
    case "function": return [...type.choices, "act", "grade"];
    case "set": return [...type.choices, type.choices.join(", ")];
    case "groups": return [...type.groups.flat(), type.groups.map((group) => group.at(-1)).join(", ")];
    case "numbers": return ["0.9, 0.95", "0, 0", "0.9", "0.5, 0.99999999"];
    case "list": return [String(type.min), "2, 3, 5", "1e-3, 2e-3", "1, 1", String(type.max)];
    case "names": return ["blimp", "blimp, scan", '"a.jsonl"', "blimp, blimp"];
    case "name": return ["m", "base"];
  }
}

function known(kind: Kind, prefix: string): Known {
  const fields = Object.entries(kind.fields).map(([name, field]) => ({ path: prefix + name, values: valuesOf(field) }));
  const blocks = Object.entries(kind.blocks).flatMap(([name, block]) => Object.entries(block.kinds)
    .map(([word, inner]) => ({ word, ...known(inner, `${prefix}${name}${word === "" ? "" : ` ${word}`}.`) })));
  const kinds = Object.entries(kind.blocks).map(([name, block]) => ({ path: prefix + name, values: Object.keys(block.kinds) }));
  return {
    words: [...Object.keys(kind.fields), ...Object.keys(kind.blocks), ...fields.flatMap((f) => f.values), ...blocks.flatMap((b) => [b.word, ...b.words])].filter((word) => /^\w+$/.test(word)),
    paths: [...fields, ...kinds, ...blocks.flatMap((b) => b.paths)],
  };
}

const MODEL_KNOWN = known(MODEL, "");
const LAYER_KNOWN = known(LAYER, "");
const WORDS = [...new Set([...MODEL_KNOWN.words, ...LAYER_KNOWN.words, ...known(COMPARE, "").words, ...Object.keys(STATEMENTS), ...FUNCTION_NAMES, "model", "from", "in", "by", "at", "on", "compare", "import", "moeut", "own", "core", "solve", "a", "b", "m", "x", "params", "active", "macs"])];
const SIGNS = [
  "{", "}", "(", ")", ",", "*", "* 2", "* 3", "+-", ".", "=", "<", "/", "-", "\"", "//", "#", "/*", "\n", "own(", "core(", "layer * {",
  "from m", "fn f(x) = x", "match params m", "expect params 1K +- 1", "vary d_model in 4, 8",
];
const SEQUENCES = [
  "a", "a * 2", "(a, b) * 2", "own(a) * 2", "core(a) * 2", "a, core(b, a) * 3", "core(own(a)) * 2, b", "b, a", "own(a, (b * 2)) * 2",
  "a * 0", "c",
];
const STRANGE = [
  "\u0000", "\uFEFF", "\u00a0", "\u2212", "\u201c", "\u201d", "\u2028", "\ud800", "💥", "é", "\r\n", "\r", "\t", "\u202e", "\ufffd", "ﬁ",
  "𝟚", "١", "%", "`", "\\", "\u001b[31m",
];

/** `--set` with a path that mostly exists and a value that mostly fits. */
function override(dice: Dice): string {
  if (dice.once(8)) return `stack=${dice.pick(SEQUENCES)}`;
  const ofLayer = dice.once(2);
  const { path: withKinds, values } = dice.pick(ofLayer ? LAYER_KNOWN.paths : MODEL_KNOWN.paths);
  const path = withKinds.replace(/ \w+/g, "");
  const prefix = ofLayer && dice.once(3) ? `layer.${dice.pick(["a", "b", "m"])}.` : "";
  const value = dice.once(5) ? dice.pick([...NUMBERS, ...WORDS, ...STRANGE, ""]) : dice.pick(values);
  return dice.once(20) ? dice.pick([path, `=${value}`, `${path}.${value}=1`, `${path}==${value}`]) : `${prefix}${path}=${value}`;
}

/** Words, numbers, signs, and what lies between them. */
const pieces = (text: string): string[] => text.match(/\/\/[^\n]*|"[^"\n]*"?|[A-Za-z_]\w*|[-.]?\d[\w.]*|\s+|[^]/gu) ?? [];

type Mutation = (text: string, dice: Dice) => string;

/** One piece of a kind replaced by another. */
const replaced = (is: RegExp, by: (dice: Dice) => string): Mutation => (text, dice) => {
  const all = pieces(text);
  const places = all.flatMap((piece, i) => (is.test(piece) ? [i] : []));
  if (places.length > 0) all[dice.pick(places)] = by(dice);
  return all.join("");
};

/** A run of pieces left out, doubled, or put elsewhere. */
const moved: Mutation = (text, dice) => {
  const all = pieces(text);
  const run = all.splice(dice.below(all.length + 1), 1 + dice.below(12));
  const to = dice.below(all.length + 1);
  return [...all.slice(0, to), ...Array.from({ length: dice.below(3) }, () => run).flat(), ...all.slice(to)].join("");
};

const inserted = (by: (dice: Dice) => string): Mutation => (text, dice) => {
  const at = dice.below(text.length + 1);
  return text.slice(0, at) + by(dice) + text.slice(at);
};

/** Lines of another text in the middle of this one. */
const spliced: Mutation = (text, dice) => {
  const [lines, others] = [text.split("\n"), baseText(dice).split("\n")];
  const from = dice.below(others.length);
  lines.splice(dice.below(lines.length + 1), dice.below(3), ...others.slice(from, from + 1 + dice.below(6)));
  return lines.join("\n");
};

/** A field with a value that mostly fits, and the blocks around it. */
const statementOf = ({ paths }: Known) => (dice: Dice): string => {
  const { path, values } = dice.pick(paths);
  const parts = path.split(".");
  return ` ${parts.join(" { ")} ${dice.pick(values)}${" }".repeat(parts.length - 1)} `;
};
const [inModel, inLayer] = [statementOf(MODEL_KNOWN), statementOf(LAYER_KNOWN)];

/** Often leave a spec one. */
const MILD: readonly Mutation[] = [
  replaced(/^[-.]?\d/, (dice) => dice.pick(["1", "2", "3", "4", "8"])),
  (text, dice) => text.replace(/stack [^\n}]*/, `stack ${dice.pick(SEQUENCES)} `),
  (text, dice) => `${text}\nmodel more from m { layer * {${inLayer(dice)}} }\n`,
  (text, dice) => `${text}\nmodel other from m {${inModel(dice)}}\n`,
  (text) => `${text}\nmodel child from m { }\nmodel grandchild from child { layer * { residual_scale 0.5 } }\ncompare grid { base child  vary d_model in 4, 8 }\n`,
];

const MUTATIONS: readonly Mutation[] = [
  replaced(/^[-.]?\d/, (dice) => dice.pick(NUMBERS)),
  replaced(/^[A-Za-z_]/, (dice) => dice.pick(WORDS)), replaced(/^\S/, (dice) => dice.pick(SIGNS)), moved, spliced,
  inserted((dice) => ` ${dice.pick([...WORDS, ...NUMBERS, ...SIGNS])} `), inserted((dice) => dice.pick(STRANGE)), inserted(inModel), inserted(inLayer),
  (text, dice) => text.slice(0, dice.below(text.length + 1)),
];

const baseText = (dice: Dice): string => (dice.once(4) ? dice.pick(written) : validText(dice));

const noise = (dice: Dice): string => Buffer.from(Array.from({ length: dice.below(200) }, () => dice.below(dice.once(4) ? 128 : 256)))
  .toString(dice.pick(["utf8", "latin1", "utf16le"]));

const mutated = (text: string, dice: Dice): string =>
  Array.from({ length: dice.pick([0, 1, 1, 1, 2, 4]) }, () => dice.pick(dice.once(3) ? MUTATIONS : MILD))
    .reduce((sofar, mutate) => mutate(sofar, dice), text);

/** A text as a file that another imports. */
function imported(text: string, dice: Dice): Pick<SpecInput, "text" | "imports"> {
  const names = [...text.matchAll(/model (\w+)/g)].map((match) => match[1]!);
  const parent = dice.pick([...names, "m"]);
  const use = dice.pick([
    `model q from ${parent} { ${inModel(dice)} }`, `compare c { base ${parent}  vary d_model in 4, 8 }`,
    `model q { layer a {${inLayer(dice)}} match params ${parent} }`, "",
  ]);
  const main = `moeut 1\nimport "${dice.pick(["a.moeut", "a.moeut", "./b.moeut", ""])}"\n${mutated(use, dice)}\n`;
  return { text: main, imports: { ...SHIPPED, "a.moeut": text, "./b.moeut": dice.pick([noise(dice), `import "a.moeut"\n${main}`]) } };
}

export function specInput(dice: Dice): SpecInput {
  const text = dice.once(40) ? noise(dice) : mutated(baseText(dice), dice);
  const overrides = dice.once(6) ? Array.from({ length: 1 + dice.below(2) }, () => override(dice)) : [];
  return { ...(dice.once(8) ? imported(text, dice) : { text, imports: SHIPPED }), overrides };
}

/** The same without an override, without an import, or without a run of pieces of a text. */
export function smallerInput({ text, imports, overrides }: SpecInput, dice: Dice): SpecInput {
  const files = Object.entries(imports);
  if (overrides.length > 0 && dice.once(4)) return { text, imports, overrides: overrides.slice(1) };
  if (files.length === 0 || dice.once(2)) return { text: less(text, dice), imports, overrides };
  const [name, inner] = dice.pick(files);
  return {
    text, imports: Object.fromEntries(dice.once(2) ? files.filter(([other]) => other !== name) : [...files, [name, less(inner, dice)]]),
    overrides,
  };
}

function less(text: string, dice: Dice): string {
  const all = pieces(text);
  all.splice(dice.below(all.length + 1), 2 ** dice.below(8));
  return all.join("");
}
