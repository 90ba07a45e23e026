import { statSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { graphOf } from "../../compiler/compile.ts";
import { BOOKKEEPING, findOfficialWeights, importOfficial, type OfficialTensors } from "../../compiler/import/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import { messageOf, severalProblems, UserError } from "../../runtime/errors.ts";
import { expectedFiles } from "../../runtime/verify/expected.ts";
import { checkGolden, readGolden, type Golden, type GoldenFiles } from "../../runtime/verify/golden.ts";
import { keptOutputs, replay, type Quantity } from "../../runtime/verify/replay.ts";
import { interruptible } from "../interrupt.ts";
import { addAdapterOption, type AdapterOption } from "../options.ts";
import { loadModel, openAdapter } from "../../api/session.ts";
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
  addAdapterOption(command.argument("<dir...>", "golden folders")).option("--json", "print one JSON document").action(interruptible(run));
}

async function run(paths: readonly string[], options: Options): Promise<void> {
  const folders = paths.filter((path) => isFolder(path, paths.length));
  if (folders.length === 0) throw new UserError(`none of the ${paths.length} paths is a folder: ${paths.slice(0, 3).join(", ")} …`);
  const handle = await openAdapter(options);
  const results: Result[] = [];
  for (const folder of folders) {
    if (options.json !== true) say(`replaying ${basename(folder)} on ${handle.info.name} …`);
    const result = await replayFolder(handle, folder);
    results.push(result);
    if (options.json !== true) process.stdout.write(`${render(result)}\n`);
  }
  handle.close();
  const ok = results.every((result) => result.ok);
  if (options.json === true) printJson({ ok, adapter: { kind: handle.info.kind, name: handle.info.name }, folders: results.map(plain) });
  else process.stdout.write(`${results.filter((r) => r.ok).length} of ${results.length} folders within bounds\n`);
  if (!ok) process.exitCode = 1;
}

/** A glob over a directory of folders also gives its README. */
const isFolder = (path: string, count: number): boolean => count === 1 || statSync(path, { throwIfNoEntry: false })?.isFile() !== true;

/** A folder that cannot be replayed is a finding too, so that the others still are. */
async function replayFolder(handle: AdapterHandle, folder: string): Promise<Result> {
  try {
    const quantities = await replayGolden(handle, goldenModel(folder));
    return { folder, ok: quantities.every(isNear), problem: null, quantities };
  } catch (error) {
    if (error instanceof UserError) return { folder, ok: false, problem: messageOf(error), quantities: [] };
    throw error;
  }
}

/** JSON knows no Infinity, and null would count as 0. */
const plain = (result: Result): object =>
  ({
    ...result, quantities: result.quantities.map((q) => ({ ...q, worst: Number.isFinite(q.worst) ? q.worst : "Infinity", ok: isNear(q) })),
  });

const isNear = ({ worst, bound }: Quantity): boolean => worst <= bound;

interface GoldenModel {
  readonly golden: Golden;
  readonly model: ModelSpec;
  readonly places: OfficialTensors["places"];
}

/** A folder that holds everything that its configuration's model demands. Needs no device. UserError for any other. */
export function goldenModel(folder: string): GoldenModel {
  const files = readGolden(folder);
  const model = modelOf(files);
  const found = findOfficialWeights(model, files.weights.tensors);
  if ("problems" in found) throw severalProblems(files.weights.path, found.problems);
  const { train: { batch, steps }, seqLen: context, vocabSize: vocab } = model;
  const graph = graphOf(model, "train", { batch, seqLen: context }, false);
  const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, value]) => [name, graph.values[value]!.type.shape]));
  const weights = Object.fromEntries(Object.values(found.places).map(({ tensor, shape }) => [tensor, shape]));
  const expected = expectedFiles(outputs, weights, { vocab, batch, context, trainSteps: steps }, BOOKKEEPING);
  return { golden: checkGolden(files, expected), model, places: found.places };
}

function modelOf({ folder, config }: GoldenFiles): ModelSpec {
  const imported = importOfficial(config);
  if ("error" in imported) throw new UserError(`${folder}/config.json: ${imported.error}`);
  return chooseModel(specOf({ file: `${folder}/config.json as a spec`, text: imported.spec }, []), { set: [] });
}

async function replayGolden(handle: AdapterHandle, { golden, model, places }: GoldenModel): Promise<readonly Quantity[]> {
  const { batch, context } = golden;
  const session = await loadModel(handle, model, {
    batch, seqLen: context, entries: ["train", "update", "prefill", "decode"],
    chunk: Math.ceil(context / 3), keep: { train: keptOutputs(golden) },
  });
  const params = session.params.map((param) => ({ ...param, official: places[param.name]! }));
  try {
    return await replay({ golden, executor: session.executor, params, recipe: model.train, seqLen: context });
  } finally {
    session.close();
  }
}

function render({ folder, problem, quantities }: Result): string {
  if (problem !== null) return `${basename(folder)}: cannot be replayed: ${problem}\n`;
  const number = (x: number): string => (x === 0 || x === Infinity ? `${x}` : x.toExponential(1));
  const verdict = (q: Quantity): readonly string[] => [isNear(q) ? "ok" : "BEYOND", q.worst === 0 ? "" : q.where];
  const rows = quantities.map((q) => [`  ${q.name}`, number(q.worst), number(q.bound), ...verdict(q)]);
  const head = ["  quantity", "worst", "bound", "", "where"];
  return `${basename(folder)}\n${table([head, ...rows], ["left", "right", "right", "left", "left"])}`;
}
