/** Which parts of an official checkpoint are a model's parameters. */
import type { Param } from "../ir/graph.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import { namingScheme, officialPlace } from "../parameters/naming.ts";
import type { NamingScheme } from "../parameters/naming.ts";
import { parametersOf } from "../parameters/parameters.ts";
import { torchPlace } from "../torch/index.ts";

/** A tensor that a parameter needs. */
interface Wanted {
  readonly tensor: string;
  readonly shape: readonly number[];
}

export interface OfficialTensors {
  readonly scheme: NamingScheme;
  /** By parameter name. */
  readonly places: Readonly<Record<string, Param["official"]>>;
}

/** Usage counters that the training code saves; they take part in no computation. */
export const BOOKKEEPING = /\.pkm\.(iter|kv_sel_counts_100)$/;

export type Found = ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[] }>;

/**
 * Matches a checkpoint's tensors with a model's parameters, under the names of either official code.
 * @returns or what is wrong, a clause each: tensors that are missing, have another shape, hold no floating-point numbers, or are left over
 */
export function findOfficialWeights(model: ModelSpec, tensors: Found): OfficialTensors | { readonly problems: readonly string[] } {
  // The training code can express every model, the clean code a few; its head tells its files apart.
  const clean = namingScheme(model) === "clean" && tensors.has("lm_head.weight");
  return match(model, clean ? "clean" : "training", tensors);
}

function match(model: ModelSpec, scheme: NamingScheme, tensors: Found): OfficialTensors | { readonly problems: readonly string[] } {
  const places = Object.fromEntries(parametersOf(model).map((p) => [p.name, officialPlace(model, scheme, p)]));
  const problems = problemsOf(places, tensors, BOOKKEEPING);
  return problems.length === 0 ? { scheme, places } : { problems };
}

/** The same for the names of `moeut export hf`. */
export function findTorchWeights(
  model: ModelSpec, tensors: Found,
): Omit<OfficialTensors, "scheme"> | { readonly problems: readonly string[] } {
  const places = Object.fromEntries(parametersOf(model).map((p) => {
    const { name, shape } = torchPlace(model, p);
    return [p.name, { tensor: name, shape, start: 0 }];
  }));
  const problems = problemsOf(places, tensors, null);
  return problems.length === 0 ? { places } : { problems };
}

/** @param places what each parameter needs, by its name @param spare names of tensors that need no place */
export function problemsOf(
  places: Readonly<Record<string, Wanted | readonly Wanted[]>>, tensors: Found, spare: RegExp | null,
): readonly string[] {
  const wanted = new Map(Object.entries(places).flatMap(([name, parts]) =>
    [parts].flat().map(({ tensor, shape }) => [tensor, { name, shape }])));
  const unfit = [...wanted].flatMap(([tensor, { name, shape }]) => {
    const found = tensors.get(tensor);
    if (found === undefined) return [`the checkpoint has no tensor "${tensor}", which the model's "${name}" is`];
    const [has, needs] = [found.shape, shape].map((extents) => `[${extents.join(", ")}]`);
    if (has !== needs) return [`tensor "${tensor}" is ${has}, but the model's "${name}" makes it ${needs}`];
    return /^B?F/.test(found.dtype) ? [] : [`tensor "${tensor}" is ${found.dtype}, which is no floating-point dtype`];
  });
  const extra = [...tensors.keys()].filter((name) => !wanted.has(name) && spare?.test(name) !== true);
  return [...unfit, ...extra.map((name) => `the checkpoint's tensor "${name}" has no place in the model`)];
}
