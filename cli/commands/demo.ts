import { join } from "node:path";
import type { Command } from "commander";
import type { AdapterKind, AdapterHandle } from "../../runtime/adapter/index.ts";
import type { CompareResults } from "../../runtime/compare/results.ts";
import { PACKAGE_ROOT } from "../../runtime/package-root.ts";
import { formatDuration } from "../../runtime/train/index.ts";
import { NO_BUDGET } from "../budget.ts";
import { MARGIN } from "../compare-plan.ts";
import { asText } from "../compare-table.ts";
import { NO_TASKS } from "../compare-tasks.ts";
import { compareModels } from "../comparison.ts";
import { interruptible } from "../interrupt.ts";
import { addAdapterOption, outFolder, whole, type AdapterOption } from "../options.ts";
import { withDevices } from "../../api/session.ts";
import { loadSpec } from "../spec.ts";
import { printJson, say } from "../terminal.ts";

interface Options extends AdapterOption {
  readonly out: string;
  readonly steps?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(command)
    .option("--out <folder>", "runs, results.json and report.html", outFolder, join("runs", "demo"))
    .option("--steps <n>", "optimizer steps of both runs (default: what the adapter does in a minute or two)", whole(1))
    .option("--json", "print the results as one JSON document")
    .action(interruptible(run));
}

/** What the samples continue: the beginning of a declaration. */
const PROMPT = "interface ";

/** Steps that take a minute or two. Fixed for each kind of adapter, so that the demo can be repeated to the same numbers. */
const STEPS: Readonly<Record<AdapterKind, number>> = { gpu: 1000, cpu: 500, lavapipe: 250, swiftshader: 100, null: 1 };

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const results = await withDevices(options, (device) => compareDemo(device, options));
  const seconds = (performance.now() - started) / 1000;
  if (results === null) process.stdout.write("stopped; the demo goes on from here when it is started again\n");
  else if (options.json === true) printJson(results);
  else print(results, options.out, seconds);
}

async function compareDemo(device: () => Promise<AdapterHandle>, options: Options): Promise<CompareResults | null> {
  const { info } = await device();
  const steps = options.steps ?? STEPS[info.kind];
  const file = specFile();
  say(`moeut demo: the two models of ${file}, trained on TypeScript's own declaration files\nadapter: ${info.name} (${info.why})`);
  const { models } = loadSpec(file, [`train.steps=${steps}`, `train.eval_every=${Math.ceil(steps / 6)}`]);
  return compareModels(device, {
    title: "A small MoEUT and a dense Transformer of equal size", models, settings: {}, baseline: "dense", source: ["typescript"],
    seeds: [0], out: options.out, finalTokens: 8192, margin: MARGIN, depths: [],
    tasks: NO_TASKS, tune: null, budget: NO_BUDGET, prompt: PROMPT, sampleTokens: 200,
    gather: false, onlyRuns: false, processes: null,
  });
}

/** As short as the current directory allows. */
function specFile(): string {
  const path = join(PACKAGE_ROOT, "specs", "demo.moeut");
  return path.startsWith(process.cwd()) ? path.slice(process.cwd().length + 1) : path;
}

const quoted = (text: string): string => text.split("\n").map((line) => `  | ${line}`).join("\n");

function print(results: CompareResults, out: string, seconds: number): void {
  for (const { name, sample } of results.variants) {
    if (sample !== null) process.stdout.write(`\n${name} writes:\n${quoted(`${sample.prompt}${sample.text}`)}\n`);
  }
  process.stdout.write(asText(results));
  process.stdout.write(`\ndone in ${formatDuration(seconds)}. Open the report in a browser: ${join(out, "report.html")}\n`);
  process.stdout.write(`More text:  npx moeut generate ${join(out, "runs", "moeut-seed0")} --prompt "${PROMPT}"\n`);
}
