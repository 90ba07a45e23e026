/** What was measured, as numbers and as tables for people. */
import { plural } from "../../compiler/diagnostics/entry.ts";
import { ratioOf, median, type Contestant, type Inside, type KernelTime, type Rounds } from "../../runtime/bench/index.ts";
import { bytes, short, time } from "../../runtime/units.ts";
import { table } from "../terminal.ts";
import type { Ours } from "./ours.ts";
import type { Peak } from "./peak.ts";
import type { Workload } from "./workloads.ts";

/**
 * Contestants agree if their checks differ by no more than this part. Float32, summed in other orders, makes some 10⁻⁷; a router's near tie
 * that falls out differently for one token of a thousand, some 10⁻⁵.
 */
const AGREEMENT = 1e-4;

export interface Measured {
  readonly contestant: Contestant;
  readonly rounds: Rounds;
  /** The part of its time that ours may take, where there is a goal. */
  readonly goal: number | undefined;
}

/** @param measured ours first, against whom the others are held  @param absent who could not run, and why */
export function resultOf(
  workload: Workload, measured: readonly Measured[], absent: readonly Absent[], memory: Ours["memory"], inside: Inside | null,
) {
  const { name, mode, model, batch, tokens, flops } = workload;
  const ours = measured[0]!;
  const row = ({ contestant, rounds, goal }: Measured) => ({
    name: contestant.name, check: contestant.check,
    seconds: { median: median(rounds), best: Math.min(...rounds), rounds },
    tokens_per_second: tokens / median(rounds), flops_per_second: flops / median(rounds),
    ours_to_this: ratioOf(ours.rounds, rounds), goal: goal ?? null, deviation: deviation(contestant, ours.contestant),
  });
  const contestants = measured.map(row);
  return { name, mode, model: model.name, batch, seq_len: model.seqLen, tokens, flops, contestants, absent, memory, ...inside };
}

export type Result = ReturnType<typeof resultOf>;

export interface Absent {
  readonly name: string;
  readonly reason: string;
}

const deviation = (one: Contestant, other: Contestant): number => Math.abs(one.check - other.check) / Math.abs(other.check);

export function resultTable(results: readonly Result[]): string {
  const head = ["workload", "", "median", "best", "tokens/s", "flops/s", "ours / this", "goal", "results"];
  const rows = results.flatMap(({ name, mode, contestants, absent }) => [
    null,
    ...contestants.map((c, i) => [
      i === 0 ? `${name} ${mode}` : "", c.name + fewer(c.seconds.rounds, contestants[0]!.seconds.rounds),
      time(c.seconds.median), time(c.seconds.best), short(c.tokens_per_second), short(c.flops_per_second),
      ...(i === 0 ? [] : [`${c.ours_to_this.toFixed(2)}×`, c.goal === null ? "" : `≤ ${c.goal.toFixed(2)}×`, agreement(c.deviation)]),
    ]),
    ...absent.map(({ name: who, reason }) => ["", `${who}: ${reason}`]),
  ]);
  return table([head, ...rows], ["left", "left", "right", "right", "right", "right", "right", "right", "left"]);
}

/** What is to know of one that was passed over. */
const fewer = (rounds: Rounds, all: Rounds): string => (rounds.length < all.length ? `, ${plural(rounds.length, "round")}` : "");

const agreement = (by: number): string => (by <= AGREEMENT ? `agree to ${by.toExponential(0)}` : `DIFFER by ${(100 * by).toPrecision(2)}%`);

/** A kernel's roof is the time that its flops or its bytes would take at the adapter's peak, whichever is longer. */
const roofOf = ({ flops, bytes: moved }: KernelTime, peak: Peak): number =>
  Math.max(flops / peak.flopsPerSecond, moved / peak.bytesPerSecond);

export function kernelTable(result: Result, peak: Peak): string {
  const { name, mode, kernels = null } = result;
  if (kernels === null) return `${name} ${mode}: this adapter has no timestamps, so there are no times by kernel\n`;
  const all = total("all kernels", kernels, peak);
  const dear = kernels.filter((k) => k.seconds >= LISTED * all.seconds);
  const cheap = kernels.slice(dear.length);
  const others = cheap.length === 0 ? [] : [total(`${cheap.length} others`, cheap, peak)];
  const lines = [...dear.map((k) => total(k.kernel, [k], peak)), ...others, all];
  return table([
    [`${name} ${mode} by kernel`, "launches", "time", "share", "flops", "bytes", "flops/s", "bytes/s", "of peak"],
    ...lines.map((k) => [
      `  ${k.kernel}`, String(k.launches), time(k.seconds), percent(k.seconds / all.seconds), k.flops === 0 ? "" : short(k.flops),
      bytes(k.bytes), k.flops === 0 ? "" : short(k.flops / k.seconds), `${bytes(k.bytes / k.seconds)}/s`, percent(k.roof / k.seconds),
    ]),
  ], ["left", ...Array<"right">(8).fill("right")]) + wholeRun(result);
}

function wholeRun({ contestants, outside, memory: { buffers, least } }: Result): string {
  const share = outside === undefined || outside === null ? "" : `, ${percent(outside)} of it outside of kernels`;
  return `  a whole run takes ${time(contestants[0]!.seconds.median)}${share}\n`
    + `  buffers take ${bytes(buffers)}, ${(buffers / least).toFixed(2)} times the least that all launches in turn need\n`;
}

/** Kernels that take less than this part of the time are shown as one line. */
const LISTED = 0.005;

/** Several kernels as one. @returns its roof too, in seconds */
function total(kernel: string, parts: readonly KernelTime[], peak: Peak): KernelTime & { readonly roof: number } {
  const sum = (of: (k: KernelTime) => number): number => parts.reduce((all, k) => all + of(k), 0);
  return {
    kernel, launches: sum((k) => k.launches), seconds: sum((k) => k.seconds), flops: sum((k) => k.flops), bytes: sum((k) => k.bytes),
    roof: sum((k) => roofOf(k, peak)),
  };
}

const percent = (part: number): string => `${(100 * part).toFixed(part < 0.0995 ? 1 : 0)}%`;
