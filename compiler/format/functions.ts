/** The functions that models use, and their names. */
import type { FnSpec, LayerSpec, ModelSpec, RouterSpec } from "../ir/model-spec.ts";

type Change = (fn: FnSpec) => FnSpec;

/** In the order of use, each once. */
export function functionsOf(model: ModelSpec): readonly FnSpec[] {
  const found: Record<string, FnSpec> = {};
  mapFunctions(model, (fn) => (found[JSON.stringify(fn)] = fn));
  return Object.values(found);
}

/** The model with other functions in place of its own. */
export const mapFunctions = (model: ModelSpec, change: Change): ModelSpec =>
  ({ ...model, layers: model.layers.map((layer) => inLayer(layer, change)) });

function inLayer(layer: LayerSpec, change: Change): LayerSpec {
  const { attention, feedForward } = layer;
  const changed = <T>(choice: T | FnSpec): T | FnSpec => (isFn(choice) ? change(choice) : choice);
  const inRouter = (router: RouterSpec): RouterSpec => ({ ...router, score: changed(router.score) });
  const activated = { ...feedForward, activation: changed(feedForward.activation) };
  return {
    ...layer,
    attention: "router" in attention ? { ...attention, router: inRouter(attention.router) } : attention,
    feedForward: "router" in activated ? { ...activated, router: inRouter(activated.router) } : activated,
  };
}

const isFn = (choice: unknown): choice is FnSpec => typeof choice !== "string";

/** The models with a number behind the name of a function that another one of the same name comes before. */
export function withDistinctNames(models: readonly ModelSpec[]): readonly ModelSpec[] {
  const taken = new Map<string, string>();
  const free = (fn: FnSpec, n: number): string => {
    const name = n === 1 ? fn.name : `${fn.name}_${n}`;
    const text = JSON.stringify(fn);
    if ((taken.get(name) ?? text) !== text) return free(fn, n + 1);
    taken.set(name, text);
    return name;
  };
  return models.map((model) => mapFunctions(model, (fn) => ({ ...fn, name: free(fn, 1) })));
}

/** The models with one name for each expression, its first. */
export function withSharedNames(models: readonly ModelSpec[]): readonly ModelSpec[] {
  const names: Record<string, string> = {};
  return models.map((model) => mapFunctions(model, (fn) => ({ ...fn, name: (names[JSON.stringify(fn.expr)] ??= fn.name) })));
}
