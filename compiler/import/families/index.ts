/** Models of published families: config.json of transformers as a spec, and where in the checkpoint its parameters are. */
import type { ModelSpec } from "../../ir/model-spec.ts";
import { parametersOf } from "../../parameters/parameters.ts";
import type { ParameterSpec } from "../../parameters/parameters.ts";
import { identifier } from "../identifier.ts";
import { readOptions, shown } from "../options.ts";
import { problemsOf, type Found } from "../weights.ts";
import { flattened } from "./config.ts";
import type { Family } from "./family.ts";
import { GPT2, GPT_NEOX } from "./gpt.ts";
import { LLAMA, MISTRAL, MIXTRAL, OLMOE, QWEN2, QWEN2_MOE, QWEN3, QWEN3_MOE } from "./llama.ts";
import { printFamily } from "./print.ts";
import { placeOf, type Part } from "./tensors.ts";

export { numbersOf } from "./tensors.ts";
export type { Part } from "./tensors.ts";

/** By `model_type`. */
const FAMILIES: Readonly<Record<string, Family>> = {
  llama: LLAMA, mistral: MISTRAL, mixtral: MIXTRAL, qwen2: QWEN2, qwen2_moe: QWEN2_MOE, qwen3: QWEN3, qwen3_moe: QWEN3_MOE, olmoe: OLMOE,
  gpt_neox: GPT_NEOX, gpt2: GPT2,
};

export interface ImportedFamily {
  readonly family: Family;
  /** .moeut text, with an `expect` line if the number of parameters is known. */
  readonly spec: (parameters: number | null) => string;
  /** Fields that nothing is known of: transformers ignore them too. */
  readonly ignored: readonly string[];
}

/** @param name what the model may be called @returns or a message with a line for each field in the way */
export function importFamily(config: Readonly<Record<string, unknown>>, name: string): ImportedFamily | { readonly error: string } {
  const type = config["model_type"];
  if (typeof type !== "string" || !Object.hasOwn(FAMILIES, type))
    return { error: `model_type is ${shown(type)}; what can be imported is ${Object.keys(FAMILIES).join(", ")}, `
      + "and what `moeut export hf` wrote, but this folder has no spec.moeut" };
  const family = FAMILIES[type]!;
  const given = flattened(config);
  const { options, problems } = readOptions(given, family.rules, family.relations, "", true);
  if (problems.length > 0) return { error: problems.join("\n  ") };
  const model = family.model(options);
  return {
    family, spec: (parameters) => printFamily(identifier(name, type), model, parameters),
    ignored: Object.keys(given).filter((field) => !Object.hasOwn(family.rules, field)),
  };
}

/** Where each parameter is, by name. */
export type Parts = Readonly<Record<string, readonly Part[]>>;

/** Matches a checkpoint's tensors with a model's parameters. @returns or what is wrong, a clause each */
export function findFamilyWeights(
  family: Family, model: ModelSpec, tensors: Found,
): { readonly parts: Parts } | { readonly problems: readonly string[] } {
  const isBare = ![...tensors.keys()].some((name) => name.startsWith(family.prefix));
  const nameIn = (tensor: string): string => (isBare && tensor.startsWith(family.prefix) ? tensor.slice(family.prefix.length) : tensor);
  const partsOf = (p: ParameterSpec): readonly Part[] | undefined =>
    family.tensors[p.role]?.(placeOf(model, p)).map((part) => ({ ...part, tensor: nameIn(part.tensor) }));
  const all = parametersOf(model);
  const parts = Object.fromEntries(all.map((p) => [p.name, partsOf(p) ?? []]));
  const foreign = all.filter(({ role }) => family.tensors[role] === undefined);
  const problems = [
    ...foreign.map(({ name }) => `models of this family have no "${name}", so the checkpoint cannot hold it`),
    ...problemsOf(parts, tensors, family.spare),
  ];
  return problems.length === 0 ? { parts } : { problems };
}
