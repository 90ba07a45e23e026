/** Text → syntax, or models; with what is wrong with it. */
import { parse as parseSource } from "../compiler/1-parse/index.ts";
import { checkSource, renderDiagnostics, type ReadFile } from "../compiler/front.ts";
import { createReporter, type Diagnostic } from "../compiler/diagnostics/index.ts";
import type { SpecAst } from "../compiler/ir/ast.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import type { SourceText } from "../compiler/ir/source.ts";
import { readImport } from "./spec.ts";

/** What diagnostics call a text without a name. */
const UNNAMED = "spec.moeut";

export interface Parsed {
  /** What stands in the text, with the place of every word; what could not be read is left out. */
  readonly ast: SpecAst;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a spec as it is written: nothing is resolved, nothing imported. Never throws for what a text says. */
export function parse(text: string, { file = UNNAMED }: { readonly file?: string } = {}): Parsed {
  const reporter = createReporter();
  const ast = parseSource({ file, text }, reporter);
  return { ast, diagnostics: reporter.all };
}

export interface CheckOptions {
  /** The name of the text in diagnostics; what it imports is looked for beside it. */
  readonly file?: string;
  /** `path=value`, as of the command line's --set: "n_repeats=4". */
  readonly set?: readonly string[];
  /** Gives the texts of imports; reads them from the disk if it is left out. */
  readonly readFile?: ReadFile;
}

export interface Checked {
  /** Models without errors, in the order of the text, and behind them the variants of its compare blocks; every default is filled in. */
  readonly models: readonly ModelSpec[];
  readonly diagnostics: readonly Diagnostic[];
  /** The diagnostics as `moeut check` prints them, each with the line that it is about; empty if there are none. */
  readonly report: string;
  /** Every text that a diagnostic, or a part of a model, can point at. */
  readonly sources: readonly SourceText[];
}

/** Finds the models of a spec and all that is wrong with it. Never throws for what a text says. */
export function check(text: string, { file = UNNAMED, set = [], readFile = readImport }: CheckOptions = {}): Checked {
  const { models, compares, diagnostics, sources } = checkSource({ file, text }, { overrides: set, readFile });
  const variants = compares.flatMap((compare) => compare.variants.map(({ model }) => model));
  return { models: [...models, ...variants], diagnostics, report: renderDiagnostics(diagnostics, sources, { color: false }), sources };
}
