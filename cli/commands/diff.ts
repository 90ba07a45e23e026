import type { Command } from "commander";
import { describeDiff, diffModels } from "../../compiler/diff/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { UserError } from "../../runtime/errors.ts";
import { collect } from "../options.ts";
import { chooseModel, loadSpec, type Spec } from "../spec.ts";
import { printJson } from "../terminal.ts";

interface Options {
  readonly modelA?: string;
  readonly modelB?: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

export function define(command: Command): void {
  command.argument("<a>", "a spec, or FILE:MODEL").argument("<b>", "another, or the same with another model")
    .option("--model-a <name>", "the model to take of the first file").option("--model-b <name>", "the model to take of the second file")
    .option("--set <path=value>", "override a field of both (repeatable)", collect, [])
    .option("--json", "print one JSON document").action(run);
}

function run(a: string, b: string, options: Options): void {
  const [first, second] = [split(a), split(b)];
  const spec = loadSpec(first.file, options.set);
  const other = second.file === first.file ? spec : loadSpec(second.file, options.set); // so that its notes are printed once
  const models = [pick(spec, oneName(first.model, options.modelA)), pick(other, oneName(second.model, options.modelB))] as const;
  const diff = diffModels(models[0], models[1]);
  const names = nameThem(models);
  if (options.json === true) printJson({ a: { file: a, model: models[0].name }, b: { file: b, model: models[1].name }, ...diff });
  else process.stdout.write(describeDiff(diff, names));
}

/** "specs/demo.moeut:dense" names a model; --model-a and --model-b do too. */
function split(where: string): { readonly file: string; readonly model: string | undefined } {
  const [, file, model] = /^(.+\.moeut):(\w+)$/.exec(where) ?? [];
  return { file: file ?? where, model };
}

function oneName(behindFile: string | undefined, option: string | undefined): string | undefined {
  if (behindFile !== undefined && option !== undefined)
    throw new UserError(`name the model once: ${behindFile} behind the file, or ${option} as an option`);
  return behindFile ?? option;
}

const pick = (spec: Spec, model: string | undefined): ModelSpec =>
  chooseModel(spec, { set: [], ...(model === undefined ? {} : { model }) });

const nameThem = ([a, b]: readonly [ModelSpec, ModelSpec]): readonly [string, string] =>
  a.name === b.name ? [`${a.name} (first)`, `${b.name} (second)`] : [a.name, b.name];
