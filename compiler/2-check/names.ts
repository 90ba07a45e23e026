/** Where in the language a name belongs: for hints about a field in the wrong block. */
import type { Kind } from "./field.ts";
import { COMPARE, LAYER, MODEL, STATEMENTS, SYNONYMS } from "./language.ts";

interface Home {
  readonly name: string;
  /** "attention switchhead", "train" */
  readonly where: string;
}

/** Every field, block and word-valued clause with the block it belongs to. */
function walk(kind: Kind, where: string): Home[] {
  const fields = Object.entries(kind.fields).flatMap(([name, field]) => {
    const { clauseOf, type } = field;
    if (clauseOf === null) return [{ name, where }];
    const block = where.split(" ")[0]!;
    const words = type.type === "choice" ? type.choices : [];
    const clause = { name, where: clauseOf === block ? `${clauseOf} … ${name} …` : `${where} { ${clauseOf} … ${name} … }` };
    return [clause, ...words.map((word) => ({ name: word, where: `${block} … ${name} ${word}` }))];
  });
  const blocks = Object.entries(kind.blocks).flatMap(([name, block]) => [
    { name, where },
    ...Object.entries(block.kinds).flatMap(([word, inner]) => walk(inner, word === "" ? name : `${name} ${word}`)),
  ]);
  return [...fields, ...blocks];
}

const HOMES: readonly Home[] = [
  ...walk(MODEL, "model"), ...walk(LAYER, "layer"), ...walk(COMPARE, "compare"),
  ...Object.entries(STATEMENTS).map(([name, where]) => ({ name, where })),
];

/** At most three blocks that have this very name. */
export function homesOf(name: string): readonly string[] {
  const homes = [...new Set(HOMES.filter((home) => home.name === name).map((home) => home.where))];
  return homes.length <= 3 ? homes : homes.slice(0, 3);
}

/** What another system's name is called here; the name itself if nothing is known. */
export const called = (name: string): string => (Object.hasOwn(SYNONYMS, name.toLowerCase()) ? SYNONYMS[name.toLowerCase()]! : name);

/** The same, if it can stand among the choices. */
export function meaning(name: string, choices: readonly string[]): string | null {
  const word = called(name);
  return word !== name && (choices.includes(word) || Object.hasOwn(STATEMENTS, word)) ? word : null;
}
