import { join } from "node:path";
import type { Command } from "commander";
import { specHash } from "../../compiler/format/index.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { routerSites } from "../../compiler/stack/routers.ts";
import { analyze, type Analysis } from "../../runtime/analyze/index.ts";
import { renderAnalysis } from "../../runtime/analyze/page.ts";
import type { Routing } from "../../runtime/analyze/routing.ts";
import {
  notesOf, PASS_HEAD, passRows, REMOVAL_HEAD, removalRows, ROUTER_HEAD, routerRow, STATE_HEAD, stateRows,
} from "../../runtime/analyze/words.ts";
import { stateTensors } from "../../runtime/analyze/states.ts";
import { decodeText } from "../../runtime/data/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { protocolOf, protocolWords, type Protocol } from "../../runtime/evaluate/protocol.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { writeSafetensors } from "../../runtime/files/safetensors.ts";
import { writeOwn } from "../../runtime/files/written.ts";
import { grouped } from "../../runtime/units.ts";
import { withAdapter } from "../../api/session.ts";
import { removalOn, routingOn } from "../analysis.ts";
import { readEvalText, type EvalText } from "../eval/text.ts";
import { interruptible } from "../interrupt.ts";
import {
  addAdapterOption, addDataOption, addSetOption, outFile, outFolder, refuseOptions, whole, type AdapterOption, type SetOption,
} from "../options.ts";
import { requireFree, requireOwn } from "../own-files.ts";
import { printJson, say, table } from "../terminal.ts";
import { readTrainedRun, type TrainedRun } from "../trained-run.ts";

interface Options extends SetOption, AdapterOption {
  readonly data: readonly string[];
  readonly maxTokens: number;
  readonly remove?: number;
  readonly states?: string;
  readonly statesTokens: number;
  readonly out?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(addSetOption(addDataOption(command.argument("<run>", "a run folder"), true)))
    .option("--max-tokens <n>", "read about so many tokens at most, spread evenly over the data", whole(1), 32_768)
    .option("--remove <tokens>", "also measure the loss without each expert, in each pass and in all, on about so many tokens", whole(1))
    .option("--states <file>", "write the residual stream behind every layer, and what the routers chose, as safetensors", outFile)
    .option("--states-tokens <n>", "of the first n tokens read, at most", whole(1), 4096)
    .option("--out <dir>", "write analysis.json, and analysis.html with pictures of expert use, tokens and examples", outFolder)
    .option("--force", "write into a folder that holds other files, beside them")
    .option("--json", "print the analysis as one JSON document")
    .action(interruptible(run));
}

async function run(folder: string, { out, ...options }: Options, command: Command): Promise<void> {
  if (out === undefined) refuseOptions(command, ["force"], "an analysis that writes no folder (--out)");
  else requireFree({ out, ...options }, "analysis.json");
  if (options.states === undefined) refuseOptions(command, ["states-tokens"], "an analysis that writes no states (--states)");
  const trained = readTrainedRun(folder, options.set);
  if (options.remove !== undefined) requireRouters(trained.model);
  const text = await readEvalText(trained, options.data);
  const protocol = protocolOf(text, trained.model.seqLen, "blocks");
  const { routing, removal } = await withAdapter(options, async (handle) => ({
    routing: await routingOn(handle, trained, protocol, options.maxTokens, options.states === undefined ? 0 : options.statesTokens),
    removal: options.remove === undefined ? null : await removalOn(handle, trained, protocol, options.remove),
  }));
  if (options.states !== undefined) writeStates(options.states, trained, routing);
  const analysis = analyze(routing, (tokens) => decodeText(trained.tokenizer, tokens), removal);
  const document = documentOf(trained, text, protocol, options, analysis);
  if (out !== undefined) await write(out, trained, document);
  if (options.json === true) printJson(document);
  else process.stdout.write(`${wordsOf(document)}${out === undefined ? "" : `\nmore in ${join(out, "analysis.html")}\n`}`);
}

function requireRouters(model: ModelSpec): void {
  if (routerSites(model).length > 0) return;
  throw new UserError(`model ${model.name} has no experts to remove; leave out --remove`);
}

function writeStates(path: string, { model, step }: TrainedRun, routing: Routing): void {
  const layers = model.schedule.map(({ layer, pass }) => ({ layer: model.layers[layer]!.name, pass }));
  const tensors = stateTensors(routing, layers, model.dModel);
  const tokens = tensors.find(({ name }) => name === "tokens")!.shape[0]!;
  const about = { format: "moeut states", model: model.name, spec_hash: specHash(model), step: `${step}`, tokens: `${tokens}` };
  writeSafetensors(path, tensors, about);
  say(`states of ${grouped(tokens)} tokens behind ${layers.length} layers are in ${path}`);
}

type AnalysisDocument = Analysis & {
  readonly run: string;
  readonly step: number;
  readonly model: string;
  readonly data: readonly string[];
  readonly text: string;
  readonly protocol: string;
};

const documentOf = (
  { folder, step, model }: TrainedRun, text: EvalText, protocol: Protocol, { data }: Options, analysis: Analysis,
): AnalysisDocument => ({ run: folder, step, model: model.name, data, text: text.words, protocol: protocolWords(protocol), ...analysis });

async function write(out: string, { model }: TrainedRun, document: AnalysisDocument): Promise<void> {
  const { data, step, text, tokens } = document;
  const about = `After ${grouped(step)} steps, on ${grouped(tokens)} tokens of ${data.join(" ")} (${text}).`;
  const files = [
    { path: "analysis.json", content: `${JSON.stringify(document, null, 1)}\n` },
    { path: "analysis.html", content: renderAnalysis(`Routing of ${model.name}`, about, document) },
  ];
  await withOwnFolder(out, () => {
    requireOwn(files, out);
    writeOwn(out, files);
  });
}

function wordsOf(document: AnalysisDocument): string {
  const rows = (head: readonly string[], body: readonly (readonly string[])[]): string =>
    table([head, ...body], head.map((name) => (name === "router" ? "left" : "right")));
  return [
    `text      ${document.text}\ntokens    ${grouped(document.tokens)}, of ${grouped(document.token_types)} types\n`,
    ...(document.routers.length === 0 ? [`model ${document.model} has no experts: what follows is its residual stream\n`]
      : [rows(ROUTER_HEAD, document.routers.map(routerRow)), rows(PASS_HEAD, passRows(document))]),
    rows(STATE_HEAD, stateRows(document)), ...(document.removal === null ? [] : [rows(REMOVAL_HEAD, removalRows(document))]),
    notesOf(document).map(([word, meaning]) => `${word}: ${meaning}\n`).join(""),
  ].join("\n");
}
