import { bytes, grouped, short } from "../../runtime/units.ts";
import { Option, type Command } from "commander";
import { compileModel } from "../../compiler/compile.ts";
import { breakdown, countConventions, countMacs, countParams, paperTrainingMacs } from "../../compiler/counts/index.ts";
import { printSpec, specHash } from "../../compiler/format/index.ts";
import type { Dispatch, KernelPlan } from "../../compiler/ir/plan.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { addSpecOptions, type SpecOptions } from "../options.ts";
import { chooseModels, loadSpec } from "../spec.ts";
import { printJson, table } from "../terminal.ts";

interface Options extends SpecOptions {
  readonly json?: boolean;
  readonly resolved?: boolean;
  readonly kernels?: boolean;
}

export function define(command: Command): void {
  addSpecOptions(command.argument("<file>", "a spec"))
    .option("--json", "print one JSON document")
    .option("--resolved", "print the canonical resolved form and its hash instead")
    .addOption(new Option("--kernels", "also list every launch of a training step").conflicts("resolved"))
    .action(run);
}

function run(file: string, options: Options): void {
  const models = chooseModels(loadSpec(file, options.set), options);
  if (options.resolved === true) return printResolved(models, options);
  const facts = models.map(inspect);
  if (options.json === true) printJson({ file, models: facts.map(({ plan: _, ...rest }) => rest) });
  else for (const f of facts) process.stdout.write(render(f, options.kernels === true));
}

function printResolved(models: readonly ModelSpec[], { json }: Options): void {
  if (json === true)
    return printJson({ models: models.map((model) => ({ name: model.name, hash: specHash(model), spec: printSpec(model) })) });
  for (const model of models) process.stdout.write(`// hash ${specHash(model)}\n${printSpec(model)}\n`);
}

/** What can be known without a device. Memory and launches are those of training and evaluation on the portable kernel profile. */
function inspect(model: ModelSpec) {
  const { total, active, tensors } = countParams(model);
  const { batch, accumulate } = model.train;
  const plan = compileModel(model, { batch: batch / accumulate, seqLen: model.seqLen, entries: ["train", "update", "evaluate"] });
  const macs = countMacs(model);
  return {
    name: model.name, hash: specHash(model), depth: model.schedule.length, layers: model.layers.length, stack: model.stack,
    params: total, active_params: active, breakdown: breakdown(model), tensors,
    conventions: { ...countConventions(model), paper_training_macs: paperTrainingMacs(model) },
    macs_per_token: macs.perToken, macs_per_sequence: { moeut: macs.moeut, full: macs.full, seq_len: macs.seqLen },
    memory: { batch: batch / accumulate, total: plan.memory.total, by_kind: plan.memory.byKind },
    entries: Object.fromEntries(Object.entries(plan.entries).map(([name, { dispatches }]) =>
      [name, dispatches.map((d) => launchOf(plan, d))])),
    kernels: plan.kernels.map((k) => k.name),
    plan,
  };
}

const launchOf = (plan: KernelPlan, { kernel, label, fused, origin }: Dispatch) =>
  ({ kernel: plan.kernels[kernel]!.name, computes: label, fused, from: origin.path, span: origin.span });

function render(f: ReturnType<typeof inspect>, kernels: boolean): string {
  const share = (n: number): string => `${((100 * n) / f.params).toFixed(1)}%`;
  const kinds = Object.entries(f.memory.by_kind).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a);
  const launches = f.entries["train"]!;
  return [
    `${f.name}  ${f.stack}: ${f.layers} layer${f.layers === 1 ? "" : "s"}, ${f.depth} deep  (hash ${f.hash})\n`,
    table([
      ["  parameters", grouped(f.params), `active per token ${grouped(f.active_params)}`],
      ...f.breakdown.map(({ part, count }) => [`    ${part}`, grouped(count), share(count)]),
      ["    effective", grouped(f.conventions.params.effective), "a shared layer once per application"],
      ["  MACs per token", short(f.macs_per_token.moeut), "forward, as the paper counts: no head, full attention square"],
      ["", short(f.macs_per_token.full), "forward, with the head, causal attention"],
      ["", short(f.conventions.macs.forward.square), "forward, with the head, full attention square"],
      ["", short(f.conventions.macs.training.causal), "training: three times the forward pass with the head, causal attention"],
      ["  memory to train", bytes(f.memory.total), `${f.memory.batch} sequences at a time`],
      ...kinds.map(([kind, n]) => [`    ${kind}`, bytes(n)]),
      ["  training step", String(launches.length), `launches of ${f.kernels.length} kernels`],
    ], ["left", "right", "left"]),
    kernels ? kernelTable(launches) : "  --kernels lists them with what was fused into each\n",
    "\n",
  ].join("");
}

function kernelTable(launches: readonly ReturnType<typeof launchOf>[]): string {
  const rows = launches.map(({ kernel, computes, fused }) => [`  ${kernel}`, computes, fused.join(", ")]);
  return table([["  kernel", "computes", "fused into it"], ...rows], ["left", "left", "left"]);
}
