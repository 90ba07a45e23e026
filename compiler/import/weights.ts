/** Which parts of an official checkpoint are a model's parameters. */
import { namingScheme, officialPlace, parametersOf } from "../3-graph/index.ts";
import type { NamingScheme } from "../3-graph/index.ts";
import type { Param } from "../ir/graph.ts";
import type { ModelSpec } from "../ir/model-spec.ts";

export interface OfficialTensors {
  readonly scheme: NamingScheme;
  /** By parameter name. */
  readonly places: Readonly<Record<string, Param["official"]>>;
}

/** Usage counters that the training code saves; they take part in no computation. */
const BOOKKEEPING = /\.pkm\.(iter|kv_sel_counts_100)$/;

/**
 * Matches a checkpoint's tensors with a model's parameters, under the names of either official code.
 * @param tensors names and shapes
 * @returns an error that names the first tensor that is missing, has another shape, or is left over
 */
export function findOfficialWeights(model: ModelSpec, tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>): OfficialTensors | { readonly error: string } {
  // The training code can express every model, the clean code a few; its head tells its files apart.
  const clean = namingScheme(model) === "clean" && tensors.has("lm_head.weight");
  return match(model, clean ? "clean" : "training", tensors);
}

function match(model: ModelSpec, scheme: NamingScheme, tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>): OfficialTensors | { readonly error: string } {
  const places = Object.fromEntries(parametersOf(model).map((p) => [p.name, officialPlace(model, scheme, p)]));
  for (const [name, { tensor, shape }] of Object.entries(places)) {
    const found = tensors.get(tensor)?.shape;
    if (found === undefined) return { error: `the checkpoint has no tensor "${tensor}", which the model's "${name}" is` };
    if (`${found}` !== `${shape}`) return { error: `tensor "${tensor}" is [${found.join(", ")}], but the model's "${name}" makes it [${shape.join(", ")}]` };
  }
  const known = new Set(Object.values(places).map((place) => place.tensor));
  const extra = [...tensors.keys()].find((name) => !known.has(name) && !BOOKKEEPING.test(name));
  return extra === undefined ? { scheme, places } : { error: `the checkpoint's tensor "${extra}" has no place in the model` };
}
