import { statSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { findOfficialWeights, importOfficial } from "../../compiler/import/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { DeviceHandle } from "../../runtime/adapter/index.ts";
import { messageOf, UserError } from "../../runtime/errors.ts";
import { readGolden, type Golden } from "../../runtime/verify/golden.ts";
import { keptOutputs, replay, type Quantity } from "../../runtime/verify/replay.ts";
import { addAdapterOption, type AdapterOption } from "../options.ts";
import { loadModel, openAdapter } from "../session.ts";
import { chooseModel, specOf } from "../spec.ts";
import { printJson, say, table } from "../terminal.ts";

interface Options extends AdapterOption {
  readonly json?: boolean;
}

interface Result {
  readonly folder: string;
  readonly ok: boolean;
  /** Why it could not be replayed, or null. */
  readonly problem: string | null;
  readonly quantities: readonly Quantity[];
}

export function define(command: Command): void {
  addAdapterOption(command.argument("<dir...>", "golden folders")).option("--json", "print one JSON document").action(run);
}

async function run(folders: readonly string[], options: Options): Promise<void> {
  const handle = await openAdapter(options.adapter);
  const results: Result[] = [];
  for (const folder of folders.filter((path) => isFolder(path, folders.length))) {
    if (options.json !== true) say(`replaying ${basename(folder)} on ${handle.info.name} …`);
    const result = await replayFolder(handle, folder);
    results.push(result);
    if (options.json !== true) process.stdout.write(`${render(result)}\n`);
  }
  handle.close();
  const ok = results.length > 0 && results.every((result) => result.ok);
  if (options.json === true) printJson({ ok, adapter: { kind: handle.info.kind, name: handle.info.name }, folders: results });
  else process.stdout.write(`${results.filter((r) => r.ok).length} of ${results.length} folders within bounds\n`);
  if (!ok) process.exitCode = 1;
}

/** A glob over a directory of folders also gives its README. */
const isFolder = (path: string, count: number): boolean => count === 1 || statSync(path, { throwIfNoEntry: false })?.isFile() !== true;

/** A folder that cannot be replayed is a finding too, so that the others still are. */
async function replayFolder(handle: DeviceHandle, folder: string): Promise<Result> {
  try {
    const quantities = await replayGolden(handle, readGolden(folder));
    return { folder, ok: quantities.every((q) => q.worst <= q.bound), problem: null, quantities };
  } catch (error) {
    if (error instanceof UserError) return { folder, ok: false, problem: messageOf(error), quantities: [] };
    throw error;
  }
}

async function replayGolden(handle: DeviceHandle, golden: Golden): Promise<readonly Quantity[]> {
  const model = modelOf(golden);
  const weights = findOfficialWeights(model, golden.weights.tensors);
  if ("error" in weights) throw new UserError(weights.error);
  const { batch, context } = golden;
  const session = await loadModel(handle, model, {
    batch, seqLen: context, entries: ["train", "update", "prefill", "decode"], chunk: Math.ceil(context / 3), keep: { train: keptOutputs(golden) },
  });
  const params = session.params.map((param) => ({ ...param, official: weights.places[param.name]! }));
  try {
    return await replay({ golden, executor: session.executor, params, recipe: model.train, seqLen: context });
  } finally {
    session.close();
  }
}

function modelOf({ folder, config }: Golden): ModelSpec {
  const imported = importOfficial(config);
  if ("error" in imported) throw new UserError(imported.error);
  return chooseModel(specOf({ file: `${folder}/config.json`, text: imported.spec }, []), { set: [] });
}

function render({ folder, problem, quantities }: Result): string {
  if (problem !== null) return `${basename(folder)}: cannot be replayed: ${problem}\n`;
  const number = (x: number): string => (x === 0 ? "0" : x.toExponential(1));
  const verdict = ({ worst, bound }: Quantity): string => (worst <= bound ? "ok" : "BEYOND");
  const rows = quantities.map((q) => [`  ${q.name}`, number(q.worst), number(q.bound), verdict(q), q.worst === 0 ? "" : q.where]);
  return `${basename(folder)}\n${table([["  quantity", "worst", "bound", "", "where"], ...rows], ["left", "right", "right", "left", "left"])}`;
}
