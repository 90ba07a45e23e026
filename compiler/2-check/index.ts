/** SpecAst → ModelSpec: names resolved, inheritance applied, defaults filled in, sizes proved, claims verified. */
import type { Reporter } from "../diagnostics/index.ts";
import type { SpecAst } from "../ir/ast.ts";
import type { CompareSpec } from "../ir/compare-spec.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import type { SourceText } from "../ir/source.ts";
import { checkCompares } from "./compare.ts";
import { loadFile, type LoadedFile, type ReadFile } from "./files.ts";
import { applyOverrides, parseOverrides } from "./overrides.ts";
import { applyEntry } from "./apply.ts";
import { checkFunctions } from "./functions.ts";
import { createTrees, MODEL_SCOPE } from "./inherit.ts";
import { isDeadEnd, setPath } from "./path.ts";
import { createResolver } from "./resolve.ts";
import { type Context, EMPTY } from "./settings.ts";

export type { ReadFile } from "./files.ts";
export { overrideSource } from "./overrides.ts";

export interface CheckOptions {
  readonly readFile: ReadFile;
  /** `path=value` texts of `--set`, applied in order. */
  readonly overrides?: readonly string[];
}

export interface CheckedFile {
  /** The models of the file itself that have no errors, in its order. */
  readonly models: readonly ModelSpec[];
  readonly compares: readonly CompareSpec[];
  /** Imported files, for rendering diagnostics. */
  readonly imported: readonly SourceText[];
}

export function check(ast: SpecAst, report: Reporter, options: CheckOptions): CheckedFile {
  const imported: SourceText[] = [];
  const loaded = new Map<string, LoadedFile>();
  const file = loadFile(ast, { report, readFile: options.readFile, sources: imported, loaded });
  const files = [file, ...loaded.values()];
  const context: Context = { report, damage: files.flatMap((each) => each.ast.damage), functions: checkFunctions(files, report) };
  // Its recipe is checked even in a file without models.
  const recipe = { ...context, written: new Map(), solvable: false };
  file.train.reduce((sofar, entry) => applyEntry(sofar, entry, MODEL_SCOPE, recipe), EMPTY);
  const trees = createTrees(context);
  const overrides = parseOverrides(options.overrides ?? [], context);
  // Whether a path exists is a question to all models together; here, where the answer is reported.
  if (overrides.length > 0) applyOverrides(file.models.map((model) => trees({ model, file })), overrides, context);
  const resolver = createResolver(context, trees, (tree) => overrides.reduce((sofar, override) => {
    const next = setPath(sofar, override, context);
    return isDeadEnd(next) ? sofar : { ...next, matchOptional: true };
  }, tree), overrides.length > 0);
  const models = file.models.flatMap((model) => resolver.model({ model, file }) ?? []);
  return { models, compares: checkCompares(ast.compares, file, resolver, context), imported };
}
