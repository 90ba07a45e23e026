/** Functions that a spec defines, as far as a model uses them, and what Python calls them. */
import type { FnSpec, LayerSpec, ModelSpec, RouterSpec } from "../ir/model-spec.ts";

/** Each once, in the order of use. */
export const functionsOf = ({ layers }: ModelSpec): readonly FnSpec[] =>
  [...new Map(layers.flatMap(choices).map((fn) => [fn.name, fn])).values()];

function choices({ attention, feedForward }: LayerSpec): readonly FnSpec[] {
  const scores = [attention, feedForward].map((block) => ("router" in block ? block.router.score : null));
  return [...scores, feedForward.activation].filter(isFunction);
}

const isFunction = (choice: unknown): choice is FnSpec => typeof choice === "object" && choice !== null;

/** The model with another name for each different function. @param nameOf given its name in the spec, and its number among all */
export function withFunctionNames(model: ModelSpec, nameOf: (name: string, index: number) => string): ModelSpec {
  const different = [...new Set(model.layers.flatMap(choices).map(textOf))];
  const renamed = <T>(choice: T): T =>
    (isFunction(choice) ? { ...choice, name: nameOf(choice.name, different.indexOf(textOf(choice))) } : choice);
  const routed = <T extends object>(block: T): T => ("router" in block ? { ...block, router: scored(block.router as RouterSpec) } : block);
  const scored = (router: RouterSpec): RouterSpec => ({ ...router, score: renamed(router.score) });
  const layers = model.layers.map((layer) => ({
    ...layer, attention: routed(layer.attention),
    feedForward: { ...routed(layer.feedForward), activation: renamed(layer.feedForward.activation) },
  }));
  return { ...model, layers };
}

const textOf = ({ name, expr }: FnSpec): string => `${name} ${JSON.stringify(expr)}`;

/** Words that no name may be. */
export const KEYWORDS: ReadonlySet<string> = new Set((
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda "
  + "nonlocal not or pass raise return try while with yield"
).split(" "));
