/** Specs as text: the canonical layout of what an author wrote, and the resolved form of a model. */
export { format } from "./format.ts";
export { printSpec } from "./print.ts";
export { printFn } from "./expr.ts";
export { functionsOf, mapFunctions, withDistinctNames, withSharedNames } from "./functions.ts";
export { specHash } from "./hash.ts";
