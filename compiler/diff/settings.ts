/** The resolved form of a model as a tree of settings, read from what `printSpec` writes: a field of the language needs no row here. */
import { parse } from "../1-parse/index.ts";
import { createReporter } from "../diagnostics/index.ts";
import { functionsOf, printFn, printSpec } from "../format/index.ts";
import type { EntryAst, StatementAst } from "../ir/ast.ts";
import type { ModelSpec } from "../ir/model-spec.ts";

/** A field, or a block with its kind as value; what stands behind `at` or `on` is a field below it. */
export interface Setting {
  /** "412", "moe", "v, o"; "" for a block without kinds. */
  readonly value: string;
  readonly clauses: Readonly<Record<string, string>>;
  /** Null for a field. */
  readonly below: Settings | null;
}

export type Settings = Readonly<Record<string, Setting>>;

export interface ModelSettings {
  /** Definitions that stand in front of the model. */
  readonly functions: readonly string[];
  readonly model: Settings;
  /** In the order of declaration. */
  readonly layers: Readonly<Record<string, Settings>>;
  readonly stack: string;
  readonly train: Settings;
}

export function settingsOf(model: ModelSpec): ModelSettings {
  const text = printSpec({ ...model, name: "m" });
  const { statements } = parse({ file: model.name, text }, createReporter()).models[0]!.body;
  const { train, ...rest } = entriesOf(statements);
  const layers = statements.filter((s) => s.kind === "layer")
    .flatMap(({ names, body }) => (names ?? []).map((name) => [name.text, entriesOf(body.statements)] as const));
  return {
    functions: functionsOf(model).map(printFn), model: rest, layers: Object.fromEntries(layers), stack: model.stack,
    train: train?.below ?? {},
  };
}

const entriesOf = (statements: readonly StatementAst[]): Settings =>
  Object.fromEntries(statements.filter((s) => s.kind === "entry").map((entry) => [entry.name.text, settingOf(entry)]));

function settingOf({ values, clauses, block }: EntryAst): Setting {
  const text = (list: EntryAst["values"]): string => list.map((value) => value.text).join(", ");
  return {
    value: text(values),
    clauses: Object.fromEntries(clauses.map((clause) => [clause.word.text, text(clause.values)])),
    below: block === null ? null : entriesOf(block.statements),
  };
}

/** The text of a spec; parses back to the same settings. */
export function textOf({ functions, model, layers, stack, train }: ModelSettings): string {
  const inLayers = Object.entries(layers).map(([name, settings]) => `layer ${name} {\n${entryText(settings)}}\n`).join("");
  const body = `${entryText(model)}${inLayers}stack ${stack}\ntrain {\n${entryText(train)}}\n`;
  return `moeut 1\n${functions.map((fn) => `${fn}\n`).join("")}model m {\n${body}}\n`;
}

function entryText(settings: Settings): string {
  return Object.entries(settings).map(([name, { value, clauses, below }]) => {
    const behind = Object.entries(clauses).map(([word, text]) => ` ${word} ${text}`).join("");
    return `${name} ${value}${behind}${below === null ? "" : ` {\n${entryText(below)}}`}\n`;
  }).join("");
}
