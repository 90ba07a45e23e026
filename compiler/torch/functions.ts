/** Functions that a spec defines, as far as a model uses them, and what Python calls them. */
import type { FnSpec, LayerSpec, ModelSpec } from "../ir/model-spec.ts";

/** Each once, in the order of use. */
export const functionsOf = ({ layers }: ModelSpec): readonly FnSpec[] => [...new Map(layers.flatMap(choices).map((fn) => [fn.name, fn])).values()];

function choices({ attention, feedForward }: LayerSpec): readonly FnSpec[] {
  const all = ["router" in attention ? attention.router.score : null, "router" in feedForward ? feedForward.router.score : null, feedForward.activation];
  return all.filter(isFunction);
}

const isFunction = (choice: unknown): choice is FnSpec => typeof choice === "object" && choice !== null;

/** The model with names of functions that mean nothing else in a module, and one thing each. */
export function withPythonNames(model: ModelSpec): ModelSpec {
  const texts: string[] = []; // of each expression its place
  const place = ({ name, expr }: FnSpec): string => {
    const text = `${name} ${JSON.stringify(expr)}`;
    if (!texts.includes(text)) texts.push(text);
    const same = texts.filter((other) => other.startsWith(`${name} `)).indexOf(text);
    return `${name}${same === 0 ? "" : `_${same + 1}`}`;
  };
  const renamed = <T>(choice: T): T => (isFunction(choice) ? { ...choice, name: safe(place(choice)) } : choice);
  const routed = <T extends object>(block: T): T =>
    ("router" in block ? { ...block, router: { ...block.router as object, score: renamed((block.router as { readonly score: unknown }).score) } } : block);
  return {
    ...model, layers: model.layers.map((layer) => ({
      ...layer, attention: routed(layer.attention), feedForward: { ...routed(layer.feedForward), activation: renamed(layer.feedForward.activation) },
    })),
  };
}

const safe = (name: string): string => (RESERVED.has(name) ? `${name}_fn` : name);

/** Words of Python, and what a module calls its own. */
const RESERVED: ReadonlySet<string> = new Set((
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda "
  + "nonlocal not or pass raise return try while with yield bool enumerate float int isinstance len object range self super tuple zip F Tensor torch nn "
  + "distributed all_reduce"
).split(" "));
