/**
 * moeut as a library: what the commands do with a spec, for programs. docs/api.md shows all of it at work.
 *
 *   text ── parse ──▶ SpecAst        text ── check ──▶ ModelSpec ── compile ──▶ files
 *                                                           └────── run ──────▶ a model on a device
 */
export { check, parse, type Checked, type CheckOptions, type Parsed } from "./check.ts";
export { compile, type Compiled, type CompileOptions } from "./compile.ts";
export { run, type RunOptions, type RunningModel } from "./run.ts";
export { EnvironmentError, UserError } from "../runtime/errors.ts";
