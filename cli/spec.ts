/** From a file name on the command line to checked models. Findings go to standard error. */
import { readFileSync } from "node:fs";
import { dirname, resolve, relative } from "node:path";
import { checkSource, renderDiagnostics, type CheckResult } from "../compiler/front.ts";
import { nearest } from "../compiler/diagnostics/index.ts";
import type { CompareSpec } from "../compiler/ir/compare-spec.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { cannotRead, messageOf, UserError } from "../runtime/errors.ts";
import type { SpecOptions } from "./options.ts";

/** UserError for what cannot be read. */
export function readSpecFile(file: string): SourceText {
  try {
    return { file, text: readFileSync(file, "utf8") };
  } catch (error) {
    throw cannotRead(file, error);
  }
}

export function checkText(source: SourceText, overrides: readonly string[]): CheckResult {
  return checkSource(source, { overrides, readFile: readImport });
}

/** Imported paths are relative to the importing file; names stay as short as the name of that file is. */
function readImport(path: string, from: string): SourceText | { readonly problem: string } {
  const full = resolve(dirname(from), path);
  try {
    return { file: from.startsWith("/") ? full : relative(process.cwd(), full), text: readFileSync(full, "utf8") };
  } catch (error) {
    return { problem: messageOf(cannotRead(path, error)).replace(/^cannot read .*?: /, "") };
  }
}

export const useColor = (): boolean => process.stderr.isTTY === true && process.env["NO_COLOR"] === undefined;

export interface Spec {
  readonly file: string;
  readonly models: readonly ModelSpec[];
  readonly compares: readonly CompareSpec[];
}

/** Reads and checks a file; warnings are printed, errors are printed and thrown as one UserError. */
export function loadSpec(file: string, overrides: readonly string[]): Spec {
  return specOf(readSpecFile(file), overrides);
}

export function specOf(source: SourceText, overrides: readonly string[]): Spec {
  const { models, compares, diagnostics, sources } = checkText(source, overrides);
  process.stderr.write(renderDiagnostics(diagnostics, sources, { color: useColor() }));
  const errors = diagnostics.filter((d) => d.severity === "error").length;
  if (errors > 0) throw new UserError(`${errors === 1 ? "1 error" : `${errors} errors`} in ${source.file}`);
  if (models.length === 0 && compares.length === 0) throw new UserError(`${source.file} holds no model`);
  return { file: source.file, models, compares };
}

/** The one model of a file, or the one that --model names. */
export function chooseModel(spec: Spec, options: SpecOptions): ModelSpec {
  const all = modelsOf(spec);
  const names = all.map((model) => model.name);
  if (options.model !== undefined) return all.find((model) => model.name === options.model) ?? noModel(spec.file, options.model, names);
  if (spec.models.length === 1) return spec.models[0]!;
  throw new UserError(`${spec.file} holds several models; choose one with --model: ${names.join(", ")}`);
}

/** All models of a file, or the one that --model names. */
export function chooseModels(spec: Spec, options: SpecOptions): readonly ModelSpec[] {
  return options.model === undefined ? modelsOf(spec) : [chooseModel(spec, options)];
}

/** Models, and variants that compare blocks make of them. */
const modelsOf = ({ models, compares }: Spec): readonly ModelSpec[] => [...models, ...compares.flatMap((compare) => compare.variants.map((variant) => variant.model))];

export function noModel(file: string, name: string, names: readonly string[]): never {
  const guess = nearest(name, names);
  throw new UserError(`${file} has no model "${name}"${guess === null ? "" : ` (did you mean ${guess}?)`}; it has ${names.join(", ")}`);
}
