/**
 * Writes the field tables of docs/language.md from the table that the checker uses. Run after changing it: npx tsx scripts/language-doc.ts
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Block, Field, Kind } from "../compiler/2-check/field.ts";
import { COMPARE, LAYER, MODEL } from "../compiler/2-check/language.ts";
import { SOURCES } from "../compiler/2-check/sources.ts";
import { expected, range } from "../compiler/2-check/value.ts";

export const LANGUAGE_DOC = new URL("../docs/language.md", import.meta.url);
const START = "<!-- written by scripts/language-doc.ts -->";
const END = "<!-- end -->";

/** The page with its tables as they should be. */
export function languageDoc(page: string): string {
  const before = page.slice(0, page.indexOf(START) + START.length);
  return `${before}\n\n${sections()}\n\n${page.slice(page.indexOf(END))}`;
}

function sections(): string {
  return [kindSection("model", MODEL), kindSection("layer", LAYER), kindSection("compare", COMPARE)].flat().join("\n\n");
}

/**
 * The kind's own table, then those of the blocks in it. Kinds with the same fields share one; a block that stands in several places is
 * shown once.
 */
function kindSection(title: string, kind: Kind, shown = new Set<string>()): string[] {
  const [fields, blocks] = [Object.entries(kind.fields), Object.entries(kind.blocks)];
  const rows = [...fields.map(([name, field]) => fieldRow(name, field)), ...blocks.map(([name, block]) => blockRow(name, block))];
  const table = ["| | value | default | |", "|---|---|---|---|", ...rows].join("\n");
  if (shown.has(title + table)) return [];
  shown.add(title + table);
  const examples = `\`\`\`moeut\n${kind.examples.join("\n")}\n\`\`\``;
  return [`### ${title}`, cited(kind.doc), examples, table, ...blocks.flatMap(([name, block]) => blockSections(name, block, shown))];
}

function blockSections(name: string, block: Block, shown: Set<string>): string[] {
  const kinds = Object.entries(block.kinds).filter(([, kind]) => !isEmpty(kind));
  const look = ({ fields, blocks }: Kind): string => JSON.stringify([fields, Object.keys(blocks)]);
  const alike = (a: Kind, b: Kind): boolean => look(a) === look(b);
  const first = kinds.filter(([, kind], i) => kinds.findIndex(([, other]) => alike(kind, other)) === i);
  return first.flatMap(([, kind]) => {
    const same = kinds.filter(([, other]) => alike(kind, other));
    const doc = same.map(([word, k]) => (same.length === 1 ? k.doc : `\`${word}\`: ${k.doc}`)).join(" ");
    const title = same.map(([word]) => `${name} ${word}`.trim()).join(", ");
    return kindSection(title, { ...kind, doc, examples: same.flatMap(([, k]) => k.examples) }, shown);
  });
}

const isEmpty = (kind: Kind): boolean => Object.keys(kind.fields).length + Object.keys(kind.blocks).length === 0;

function fieldRow(name: string, field: Field<unknown>): string {
  const bounds = range(field.type);
  const value = [expected(field.type), bounds === "" ? "" : `, ${bounds}`, field.unit === "" ? "" : ` (${field.unit})`].join("");
  return row(field.clauseOf === null ? `\`${name}\`` : `\`${field.clauseOf} … ${name}\``, value, field.shown, cited(field.doc));
}

/** Kinds without fields have no section of their own: the row says what they are. */
function blockRow(name: string, block: Block): string {
  const kinds = Object.keys(block.kinds);
  const docs = [block.doc, ...Object.entries(block.kinds).flatMap(([word, kind]) => (isEmpty(kind) ? [`\`${word}\`: ${kind.doc}`] : []))];
  const value = kinds[0] === "" ? "`{ … }`" : kinds.map((k) => `\`${k}\``).join(", ");
  return row(`\`${name}\``, value, block.shown, cited(docs.join(" ")));
}

/** "[@glu; @silu]" → "(Shazeer 2020, [arXiv:2002.05202](https://…); …)" */
const cited = (doc: string): string => doc.replace(/\[(@\w+(?:; @\w+)*)\]/g, (_, keys: string) =>
  `(${keys.split("; ").map((key) => linked(key.slice(1))).join("; ")})`);

function linked(key: string): string {
  const source = SOURCES[key];
  if (source === undefined) throw new Error(`[@${key}] has no source: list it in compiler/2-check/sources.ts`);
  return source.replace(/arXiv:(\S+)/, "[$&](https://arxiv.org/abs/$1)");
}

const row = (...cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(LANGUAGE_DOC, languageDoc(readFileSync(LANGUAGE_DOC, "utf8")));
}
