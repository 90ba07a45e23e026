/** What the parts of a module share while it is written: fields of its configuration and classes. Local to one call of `modelingFile`. */
import type { LayerSpec, ModelSpec } from "../ir/model-spec.ts";
import { bug } from "../ir/tensor-type.ts";
import { pascal } from "./python.ts";

export interface Writer {
  readonly model: ModelSpec;
  /** Of the configuration, by name, in the order of definition. */
  readonly fields: Map<string, Field>;
  /** Definitions of classes by name, in the order of definition. */
  readonly classes: Map<string, string>;
}

export interface Field {
  readonly type: "int" | "float";
  readonly value: number;
  readonly note?: string;
}

/** "Moeut44mConfig" */
export const configName = ({ name }: ModelSpec): string => `${pascal(name)}Config`;

/** "config.n_heads": a number of a layer. Where another layer has another number of that name, it is called after its layer. */
export function field(w: Writer, layer: LayerSpec, name: string, value: number, type: Field["type"] = "int"): string {
  const own = `${layer.name.replaceAll(".", "_")}_${name}`;
  const free = [name, own].find((candidate) => (w.fields.get(candidate)?.value ?? value) === value) ?? bug(`two numbers ${own}`);
  w.fields.set(free, w.fields.get(free) ?? { type, value });
  return `config.${free}`;
}

/**
 * The class of a text: the one that is there already, or a new one of the first name that is free.
 * @param names in order of preference; @param body given the name
 */
export function define(w: Writer, names: readonly string[], body: (name: string) => string): string {
  const same = [...w.classes].find(([name, text]) => names.some((stem) => name.startsWith(stem)) && text === body(name));
  if (same !== undefined) return same[0];
  const numbered = w.model.layers.map((_, i) => `${names.at(-1)}${i + 2}`);
  const free = [...names, ...numbered].find((name) => !w.classes.has(name)) ?? bug(`no name for ${names[0]}`);
  w.classes.set(free, body(free));
  return free;
}
