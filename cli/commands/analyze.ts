import { join } from "node:path";
import type { Command } from "commander";
import { graphOf } from "../../compiler/compile.ts";
import type { OpGraph } from "../../compiler/ir/graph.ts";
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { analyze, type Analysis } from "../../runtime/analyze/index.ts";
import { renderAnalysis } from "../../runtime/analyze/page.ts";
import { keptOutputs, recordRouting, type RouterSite, type Routing } from "../../runtime/analyze/routing.ts";
import { NOTES, PASS_HEAD, passRows, ROUTER_HEAD, routerRow, STATE_HEAD, stateRows } from "../../runtime/analyze/words.ts";
import type { AdapterHandle } from "../../runtime/adapter/index.ts";
import { chosenWindows, decodeText, windowBatches } from "../../runtime/data/index.ts";
import { UserError } from "../../runtime/errors.ts";
import { protocolOf, protocolWords, type Protocol } from "../../runtime/evaluate/protocol.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { writeOwn } from "../../runtime/files/written.ts";
import { loadWeights } from "../../runtime/train/index.ts";
import { grouped } from "../../runtime/units.ts";
import { loadModel, withAdapter } from "../../api/session.ts";
import { countdown } from "../countdown.ts";
import { readEvalText, type EvalText } from "../eval-text.ts";
import { endingAtOnce, interruptible } from "../interrupt.ts";
import {
  addAdapterOption, addDataOption, addSetOption, outFolder, refuseOptions, whole, type AdapterOption, type SetOption,
} from "../options.ts";
import { requireFree, requireOwn } from "../own-files.ts";
import { printJson, table } from "../terminal.ts";
import { readTrainedRun, type TrainedRun } from "../trained-run.ts";

interface Options extends SetOption, AdapterOption {
  readonly data: readonly string[];
  readonly maxTokens: number;
  readonly out?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(addSetOption(addDataOption(command.argument("<run>", "a run folder"), true)))
    .option("--max-tokens <n>", "read about so many tokens at most, spread evenly over the data", whole(1), 32_768)
    .option("--out <dir>", "write analysis.json, and analysis.html with pictures of expert use, tokens and examples", outFolder)
    .option("--force", "write into a folder that holds other files, beside them")
    .option("--json", "print the analysis as one JSON document")
    .action(interruptible(run));
}

async function run(folder: string, { out, ...options }: Options, command: Command): Promise<void> {
  if (out === undefined) refuseOptions(command, ["force"], "an analysis that writes no folder (--out)");
  else requireFree({ out, ...options }, "analysis.json");
  const trained = readTrainedRun(folder, options.set);
  requireRouters(trained.model);
  const text = await readEvalText(trained, options.data);
  const protocol = protocolOf(text, trained.model.seqLen, "blocks");
  const routing = await withAdapter(options, (handle) => routingOn(handle, trained, protocol, options.maxTokens));
  const analysis = analyze(routing, (tokens) => decodeText(trained.tokenizer, tokens));
  const document = documentOf(trained, text, protocol, options, analysis);
  if (out !== undefined) await write(out, trained, document);
  if (options.json === true) printJson(document);
  else process.stdout.write(`${wordsOf(document)}${out === undefined ? "" : `\nmore in ${join(out, "analysis.html")}\n`}`);
}

function requireRouters({ name, layers }: ModelSpec): void {
  if (layers.some(({ attention, feedForward }) => attention.kind !== "mha" || feedForward.kind === "moe")) return;
  throw new UserError(`model ${name} has no experts, so there is no routing to analyze`);
}

async function routingOn(handle: AdapterHandle, { model, weights }: TrainedRun, protocol: Protocol, maxTokens: number): Promise<Routing> {
  const { context, windows } = protocol;
  const chosen = chosenWindows(windows, maxTokens);
  const [batch, depth] = [Math.min(model.train.batch / model.train.accumulate, chosen.length), model.schedule.length];
  const sites = routerSites(model);
  const session = await loadModel(handle, model, {
    batch, seqLen: context, entries: ["evaluate"], lens: true, keep: { evaluate: keptOutputs(sites, depth) }, during: endingAtOnce,
  });
  try {
    loadWeights(weights, session.executor, session.params);
    const batches = windowBatches(windows, context, batch, maxTokens);
    return await recordRouting(session.executor, sites, depth, batches, countdown(chosen.length));
  } finally {
    session.close();
  }
}

/** What the outputs of the graph are called, and the routers behind them, in order of depth. */
const OUTPUTS = { att: "attention", att_v: "attention v", att_o: "attention o", ffn: "feed_forward" } as const;

/** All applications of routers, by the outputs that the graph has, in order of depth. */
export function routerSites(model: ModelSpec): readonly RouterSite[] {
  const graph = graphOf(model, "evaluate", { batch: 1, seqLen: 2 });
  return model.schedule.flatMap(({ layer, pass }, site) => Object.entries(OUTPUTS).flatMap(([output, name]) => {
    const [selection, logits] = [shapeOf(graph, `sel.${output}.${site}`), shapeOf(graph, `router.${output}.${site}`)];
    if (selection === null || logits === null) return [];
    const heads = selection.length === 4 ? selection[2]! : 1; // [B, T, H, K], or [B, T, K]
    const router = `${model.layers[layer]!.name}.${name}`;
    return [{ router, output, site, pass, heads, nExperts: logits.at(-1)!, topK: selection.at(-1)! }];
  }));
}

const shapeOf = ({ outputs, values }: OpGraph, output: string): readonly number[] | null =>
  (output in outputs ? values[outputs[output]!]!.type.shape : null);

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
    rows(ROUTER_HEAD, document.routers.map(routerRow)), rows(PASS_HEAD, passRows(document)), rows(STATE_HEAD, stateRows(document)),
    NOTES.map(([word, meaning]) => `${word}: ${meaning}\n`).join(""),
  ].join("\n");
}
