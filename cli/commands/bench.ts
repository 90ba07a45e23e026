import { Option, type Command } from "commander";
import { availableParallelism, cpus } from "node:os";
import { loadPlan, openAdapter, profileOf } from "../../api/session.ts";
import { UserError } from "../../runtime/errors.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { adapterRival, contest, peerRival } from "../bench/contest.ts";
import type { Handle } from "../bench/ours.ts";
import { measurePeak, peakPlan, type Peak } from "../bench/peak.ts";
import { PEERS } from "../bench/peers.ts";
import { kernelTable, resultTable, type Result } from "../bench/report.ts";
import { MODES, workloadsOf, type Mode } from "../bench/workloads.ts";
import { interruptible } from "../interrupt.ts";
import { addAdapterOption, addSpecOptions, collect, outFile, whole, type AdapterOption, type SpecOptions } from "../options.ts";
import { printJson } from "../terminal.ts";

interface Options extends SpecOptions, AdapterOption {
  readonly mode: Mode;
  readonly rounds: number;
  readonly kernels?: boolean;
  readonly peers?: boolean;
  readonly peer: readonly string[];
  readonly beside: readonly string[];
  readonly out?: string;
  readonly json?: boolean;
}

const NAMES = PEERS.map(({ name }) => name).join(", ");

export function define(command: Command): void {
  addAdapterOption(addSpecOptions(command.argument("[what...]", "workloads (W1 to W6; all of them if nothing is named), or specs")))
    .addOption(new Option("--mode <mode>", "what to measure of a spec").choices(MODES).default("train"))
    .option("--rounds <n>", "timed runs of each, in turn, after one that warms it up", whole(1), 7)
    .option("--kernels", "also time, flops, bytes and share of the adapter's peak by kernel")
    .option("--peers", `also other implementations in the same run: ${NAMES}`)
    .option("--peer <name>", "one of these (repeatable)", collect, [])
    .option("--beside <adapter>", "also another adapter in the same run (repeatable)", collect, [])
    .option("--out <file>", "also write the numbers as JSON", outFile)
    .option("--json", "print one JSON document instead of tables")
    .action(interruptible(run));
}

async function run(what: readonly string[], options: Options): Promise<void> {
  const workloads = workloadsOf(what, options);
  const peers = chosenPeers(options);
  const handles: Handle[] = [];
  try {
    for (const choice of [options, ...options.beside.map((adapter) => ({ adapter }))]) handles.push(await openAdapter(choice));
    const [handle, ...others] = handles as [Handle, ...Handle[]];
    const rivals = [...others.map(adapterRival), ...peers.map((peer) => peerRival(peer, handle))];
    const peak = await peakOf(handle);
    const results: Result[] = [];
    for (const workload of workloads) results.push(await contest(workload, handle, rivals, options.rounds, options.kernels === true));
    report(results, peak, handle, options);
  } finally {
    handles.forEach((handle) => handle.close());
  }
}

function chosenPeers({ peers, peer }: Options): typeof PEERS {
  const wrong = peer.find((name) => PEERS.every((p) => p.name !== name));
  if (wrong !== undefined) throw new UserError(`there is no peer "${wrong}"; there are ${NAMES}`);
  return peers === true ? PEERS : PEERS.filter(({ name }) => peer.includes(name));
}

async function peakOf(handle: Handle): Promise<Peak> {
  const profile = profileOf(handle.info);
  const executor = await loadPlan(handle, peakPlan(profile));
  try {
    return await measurePeak(executor, profile);
  } finally {
    executor.destroy();
  }
}

function report(results: readonly Result[], peak: Peak, { info: { kind, name } }: Handle, options: Options): void {
  const { rounds, kernels, out, json, threads = availableParallelism() } = options;
  const machine = cpus()[0]?.model ?? "unknown processor";
  const numbers = {
    adapter: { kind, name }, machine, threads, rounds,
    peak: { flops_per_second: peak.flopsPerSecond, bytes_per_second: peak.bytesPerSecond }, workloads: results,
  };
  if (out !== undefined) writeAtomic(out, `${JSON.stringify(numbers, null, 2)}\n`);
  if (json === true) return printJson(numbers);
  process.stdout.write(`on ${name}; ${machine}, ${threads} threads; ${rounds} rounds\n${resultTable(results)}`);
  if (kernels === true) for (const result of results) process.stdout.write(`\n${kernelTable(result, peak)}`);
}
