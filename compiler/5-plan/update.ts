/**
 * The "update" entry: norm, clipping, AdamW, and the steps of parameters that have a rate of their own. It does not depend on the
 * architecture, only on the list of parameters.
 */
import type { OpGraph } from "../ir/graph.ts";
import type { Work } from "../ir/launch.ts";
import { sizeOf } from "./facts.ts";
import { declare, flat, type Launch, type RefTable } from "./launch.ts";

/** Gradients that one invocation of the norm adds up, in vec4s. */
const RUN = 64;
const MAX_JOBS = 4096;

export function planUpdate(graph: OpGraph, refs: RefTable): readonly Launch[] {
  let first = 0;
  const params = graph.params.map((p) => {
    const n4 = sizeOf(graph.values[p.value]!.type) / 4;
    const signRate = p.signRate ?? null;
    const jobs = signRate === null ? Math.min(MAX_JOBS, Math.ceil(n4 / RUN)) : 0; // outside the norm
    first += jobs;
    return { name: p.name, n4, jobs, first: first - jobs, signRate };
  });
  declare(refs, "update", 32, "inputs", true);
  const partials = declare(refs, "scratch/update/partials", 8 * first, "activations", false);
  const totals = declare(refs, "scratch/update/totals", Math.max(16, 8 * params.length), "activations", false);
  const ranges = declare(refs, "table/grad_ranges", Math.max(16, 8 * params.length), "tables", true, {
    fn: "words", words: params.flatMap((p) => [p.first, p.jobs]),
  });
  return [
    ...params.filter((p) => p.signRate === null).map((p) => launch({ kind: "gradPartials" }, [`grad/${p.name}`, partials], [p.n4, p.jobs, p.first], p.jobs, `norm of grad ${p.name}`)),
    launch({ kind: "gradTotals" }, [partials, ranges, totals], [params.length], params.length, "norms of gradients"),
    launch({ kind: "gradNorm" }, [totals, "update", "metrics"], [params.length], 1, "global gradient norm"),
    ...params.map((p) => p.signRate !== null
      ? launch({ kind: "signStep", rate: p.signRate }, [`param/${p.name}`, `grad/${p.name}`, "update", "metrics"], [p.n4], p.n4, `step of ${p.name}`)
      : launch({ kind: "adamw" }, [`param/${p.name}`, `grad/${p.name}`, `adam_m/${p.name}`, `adam_v/${p.name}`, "update", "metrics"], [p.n4], p.n4, `adamw ${p.name}`)),
  ];
}

const launch = (work: Work, refs: readonly string[], sizes: readonly number[], jobs: number, label: string): Launch =>
  ({ work, refs, sizes, grid: flat(jobs), label, fused: [], stores: [], origin: { path: "update", span: null } });
