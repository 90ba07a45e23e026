/**
 * The "update" entry: norm, clipping, AdamW, and the steps of parameters that have a rate of their own. It does not depend on the
 * architecture, only on the list of parameters.
 */
import type { OpGraph } from "../ir/graph.ts";
import type { Work } from "../ir/launch.ts";
import { sizeOf } from "./facts.ts";
import { flat, lasting, passing, type Launch, type Tensor } from "./launch.ts";

/** Gradients that one invocation of the norm adds up, in vec4s. */
const RUN = 64;
const MAX_JOBS = 4096;

export function planUpdate(graph: OpGraph): { readonly launches: readonly Launch[]; readonly tensors: readonly Tensor[] } {
  let first = 0;
  const params = graph.params.map((p) => {
    const n4 = sizeOf(graph.values[p.value]!.type) / 4;
    const signRate = p.signRate ?? null;
    const jobs = signRate === null ? Math.min(MAX_JOBS, Math.ceil(n4 / RUN)) : 0; // outside the norm
    first += jobs;
    return { name: p.name, n4, jobs, first: first - jobs, signRate };
  });
  const partials = passing("scratch/update/partials", 2 * first);
  const totals = passing("scratch/update/totals", 2 * params.length);
  const words = params.flatMap((p) => [p.first, p.jobs]);
  const ranges = lasting("table/grad_ranges", words.length, "tables", { fn: "words", words });
  const launches = [
    ...params.filter((p) => p.signRate === null).map(({ name, n4, jobs, first: start }) =>
      launch({ kind: "gradPartials" }, [`grad/${name}`, partials.ref], [n4, jobs, start], jobs, `norm of grad ${name}`)),
    launch({ kind: "gradTotals" }, [partials.ref, ranges.ref, totals.ref], [params.length], params.length, "norms of gradients"),
    launch({ kind: "gradNorm" }, [totals.ref, "update", "metrics"], [params.length], 1, "global gradient norm"),
    ...params.map(({ name, n4, signRate }) => {
      const moments = signRate === null ? [`adam_m/${name}`, `adam_v/${name}`] : [];
      const refs = [`param/${name}`, `grad/${name}`, ...moments, "update", "metrics"];
      return signRate === null ? launch({ kind: "adamw" }, refs, [n4], n4, `adamw ${name}`)
        : launch({ kind: "signStep", rate: signRate }, refs, [n4], n4, `step of ${name}`);
    }),
  ];
  return { launches, tensors: [lasting("update", 8, "inputs"), partials, totals, ranges] };
}

const launch = (work: Work, refs: readonly string[], sizes: readonly number[], jobs: number, label: string): Launch =>
  ({ work, refs, sizes, grid: flat(jobs), label, fused: [], stores: [], origin: { path: "update", span: null } });
