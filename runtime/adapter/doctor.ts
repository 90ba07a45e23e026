import { availableParallelism, totalmem } from "node:os";
import { cacheDirectory } from "../cache.ts";
import { messageOf } from "../errors.ts";
import { adviceFor } from "./advice.ts";
import type { Candidate } from "./choose.ts";
import type { AdapterHandle, AdapterInfo } from "./adapter.ts";
import { findAdapters } from "./find.ts";

/** What `moeut doctor` knows about this machine. */
export interface DoctorReport {
  readonly node: string;
  readonly platform: string; // "linux x64"
  readonly cores: number;
  readonly memoryBytes: number;
  readonly cache: string;
  /** Every adapter that could be used, in the order of the drivers. */
  readonly adapters: readonly Candidate[];
  /** What keeps better adapters away. */
  readonly notes: readonly string[];
  /** The adapter that commands use here, after it passed its self-test, or null. */
  readonly chosen: AdapterInfo | null;
  /** Why there is none, or null. */
  readonly problem: string | null;
  /** What would be faster, or would work at all, and what to type for it. */
  readonly advice: readonly string[];
}

/** Looks for adapters, opens the one that commands use, which tests it, and closes it. Never throws for a missing adapter. */
export async function doctor(open: () => Promise<AdapterHandle>): Promise<DoctorReport> {
  const { candidates, notes } = await findAdapters(undefined);
  const { chosen, problem } = await attempt(open);
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    cache: cacheDirectory(),
    adapters: candidates,
    notes,
    chosen,
    problem,
    advice: adviceFor(candidates, process.platform),
  };
}

async function attempt(open: () => Promise<AdapterHandle>): Promise<Pick<DoctorReport, "chosen" | "problem">> {
  try {
    const handle = await open();
    handle.close();
    return { chosen: handle.info, problem: null };
  } catch (error) {
    return { chosen: null, problem: messageOf(error) };
  }
}

/** The report for people. */
export function renderDoctor(report: DoctorReport): string {
  const memory = `${Math.round(report.memoryBytes / 2 ** 30)} GiB of memory`;
  const adapters = report.adapters.map((adapter) => `  ${mark(adapter, report.chosen)} ${describe(adapter)}`);
  const sections = [
    [`Node ${report.node} on ${report.platform}, ${report.cores} cores, ${memory}`, `cache in ${report.cache}`],
    ["adapters found", ...adapters, ...report.notes.map((note) => `    (${note})`)],
    report.chosen === null ? [`no adapter is usable: ${report.problem}`] : chosenLines(report.chosen),
    report.advice.length === 0 ? [] : ["advice", ...report.advice.map((line) => `  ${line}`)],
  ];
  return sections.filter((lines) => lines.length > 0).map((lines) => `${lines.join("\n")}\n`).join("\n");
}

const mark = (adapter: Candidate, chosen: AdapterInfo | null): string =>
  (adapter.kind === chosen?.kind && adapter.name === chosen.name ? "*" : " ");

function describe({ kind, name, source }: Candidate): string {
  if (kind === "null") return "null          checks shaders, executes nothing";
  return `${kind.padEnd(13)} ${name}${source === "bundled" ? ", from the npm package @sparticuz/chromium" : ""}`;
}

function chosenLines({ name, why, facts }: AdapterInfo): readonly string[] {
  return [`using ${name}: ${why}; its self-test passed`, ...Object.entries(facts).map(([fact, value]) => `  ${fact.padEnd(13)}  ${value}`)];
}
