/** From a file name on the command line to checked models. Findings go to standard error. */
import { checkText, readSpecFile } from "../api/spec.ts";
import { renderDiagnostics } from "../compiler/front.ts";
import { type Diagnostic, nearest } from "../compiler/diagnostics/index.ts";
import type { CompareSpec } from "../compiler/ir/compare-spec.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { UserError } from "../runtime/errors.ts";
import type { SpecOptions } from "./options.ts";

export const useColor = (): boolean => process.stderr.isTTY === true && process.env["NO_COLOR"] === undefined;

export interface Spec {
  readonly file: string;
  /** Prints what was found about these models, each thing once; UserError if an error is about one of them. */
  readonly tell: (models: readonly ModelSpec[]) => void;
  /** Prints all that was found and throws a UserError if any of it is an error. */
  readonly refuse: () => void;
  readonly models: readonly ModelSpec[];
  readonly compares: readonly CompareSpec[];
  /** The file, what it imports, and the overrides. */
  readonly sources: readonly SourceText[];
}

/**
 * Reads and checks a file. UserError (all is printed) if something is wrong with the file as a whole; what was found about a model is told
 * when it is chosen: mistakes in one do not stand in the way of another.
 */
export function loadSpec(file: string, overrides: readonly string[]): Spec {
  return specOf(readSpecFile(file), overrides);
}

export function specOf(source: SourceText, overrides: readonly string[]): Spec {
  const { models, compares, diagnostics, sources } = checkText(source, overrides);
  let untold = diagnostics;
  const print = (wanted: (d: Diagnostic) => boolean): void => {
    const some = untold.filter(wanted);
    untold = untold.filter((d) => !some.includes(d));
    process.stderr.write(renderDiagnostics(some, sources, { color: useColor() }));
    const errors = some.filter(isError).length;
    if (errors > 0) throw new UserError(`${errors === 1 ? "1 error" : `${errors} errors`} in ${source.file}`);
  };
  const refuse = (): void => {
    if (untold.some(isError)) print(() => true);
  };
  if (untold.some((d) => isError(d) && d.models.length === 0) || models.length + compares.length === 0) refuse();
  if (models.length + compares.length === 0) throw new UserError(`${source.file} holds no model`);
  print((d) => d.models.length === 0);
  return {
    file: source.file, models, compares, sources, refuse,
    tell: (chosen) => print((d) => chosen.some(({ name }) => d.models.includes(name))),
  };
}

const isError = ({ severity }: Diagnostic): boolean => severity === "error";

/** The one model of a file, or the one that --model names. */
export function chooseModel(spec: Spec, options: SpecOptions): ModelSpec {
  const model = chosenModel(spec, options);
  spec.tell([model]);
  return model;
}

function chosenModel(spec: Spec, options: SpecOptions): ModelSpec {
  const all = modelsOf(spec);
  const names = all.map((model) => model.name);
  const found = all.find((model) => model.name === options.model);
  if (found !== undefined) return found;
  spec.refuse();
  if (options.model !== undefined) return noModel(spec.file, options.model, names);
  if (spec.models.length === 1) return spec.models[0]!;
  throw new UserError(`${spec.file} holds several models; choose one with --model: ${names.join(", ")}`);
}

/** All models of a file, or the one that --model names. */
export function chooseModels(spec: Spec, options: SpecOptions): readonly ModelSpec[] {
  if (options.model !== undefined) return [chooseModel(spec, options)];
  spec.refuse();
  spec.tell(modelsOf(spec));
  return modelsOf(spec);
}

/** Models, and variants that compare blocks make of them. */
const modelsOf = ({ models, compares }: Spec): readonly ModelSpec[] =>
  [...models, ...compares.flatMap((compare) => compare.variants.map((variant) => variant.model))];

function noModel(file: string, name: string, names: readonly string[]): never {
  const guess = nearest(name, names);
  throw new UserError(`${file} has no model "${name}"${guess === null ? "" : ` (did you mean ${guess}?)`}; it has ${names.join(", ")}`);
}
