/** What Python calls the functions that a spec defines. */
import { functionsOf, mapFunctions } from "../format/index.ts";
import type { FnSpec, ModelSpec } from "../ir/model-spec.ts";

/** The model with another name for each different function. @param nameOf given its name in the spec, and its number among all */
export function withFunctionNames(model: ModelSpec, nameOf: (name: string, index: number) => string): ModelSpec {
  const textOf = (fn: FnSpec): string => JSON.stringify(fn);
  const different = functionsOf(model).map(textOf);
  return mapFunctions(model, (fn) => ({ ...fn, name: nameOf(fn.name, different.indexOf(textOf(fn))) }));
}

/** Words that no name may be. */
export const KEYWORDS: ReadonlySet<string> = new Set((
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda "
  + "nonlocal not or pass raise return try while with yield"
).split(" "));
