/** From what runs lose and get right at several depths to what results say of them. */
import { mean, overRuns } from "../statistics/describe.ts";
import type { DepthLoss } from "./depths.ts";
import { isSound } from "./difference.ts";
import type { FinalRecord } from "./folder.ts";
import type { DepthPoint, DepthResults } from "./results.ts";

interface Run {
  readonly seed: number;
  readonly final: FinalRecord | null;
  readonly depths: readonly DepthLoss[];
}

type Found = DepthPoint["per_seed"][number] & { readonly passes: number };

/** Of the sound runs, as they were measured on as much text as the final losses; null where no other depth than the trained one was. */
export function depthsOf(trained: number, runs: readonly Run[]): DepthResults | null {
  const found = runs.flatMap((run) => foundOf(trained, run));
  const passes = [...new Set(found.map((one) => one.passes))].sort((a, b) => a - b);
  if (passes.length < 2) return null;
  return { trained, points: passes.map((n) => pointOf(n, found.flatMap(({ passes: at, ...run }) => (at === n ? [run] : [])))) };
}

/** At the trained depth it is the final loss, measured there or not. */
function foundOf(trained: number, { seed, final, depths }: Run): readonly Found[] {
  if (!isSound(final)) return [];
  const measured = depths.filter(({ sequences }) => sequences === final.sequences.length);
  const accuracy = measured.find(({ passes }) => passes === trained)?.accuracy ?? null;
  const others = measured.filter(({ passes }) => passes !== trained);
  const all = [{ passes: trained, loss: mean(final.sequences), accuracy }, ...others];
  return all.flatMap(({ passes, loss, accuracy: share = null }) => (loss === null ? [] : [{ passes, seed, loss, accuracy: share }]));
}

function pointOf(passes: number, runs: DepthPoint["per_seed"]): DepthPoint {
  const shares = runs.flatMap(({ accuracy }) => accuracy ?? []);
  return { passes, loss: overRuns(runs.map(({ loss }) => loss)), accuracy: shares.length === 0 ? null : overRuns(shares), per_seed: runs };
}
