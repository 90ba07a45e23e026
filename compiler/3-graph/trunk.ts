/** From tokens to the final residual stream: what stands in front of the core, its passes, what stands behind it. */
import type { ValueId } from "../ir/graph.ts";
import type { HaltingSpec } from "../ir/model-spec.ts";
import { passSites } from "../stack/passes.ts";
import { openCore } from "./core.ts";
import { gravesPasses } from "./graves.ts";
import { haltingPasses } from "./halting.ts";
import { applyLayer } from "./layer.ts";
import type { Halted } from "./layer.ts";
import { embed } from "./loss.ts";
import type { Passes } from "./passes.ts";
import { within } from "./state.ts";
import type { BuildState } from "./state.ts";

/** @returns [B, T, D] */
export function trunk(s: BuildState): ValueId {
  const { schedule, core, halting, span } = s.model;
  const embedded = within(s, "embedding", span, () => embed(s));
  if (s.entry.kind !== "step") s.outputs["embed_out"] = embedded;
  const sites = passSites(s.model);
  const [first, end] = [sites[0]![0]!, sites.at(-1)!.at(-1)! + 1];
  const passes: Passes = {
    sites, ...openCore(s, core, applySites(s, range(0, first), embedded)),
    layers: (pass, x, halted = null) => applySites(s, sites[pass]!, x, halted),
  };
  return applySites(s, range(end, schedule.length), halting === null ? everyPass(passes) : countedPasses(s, halting, passes));
}

/** Passes that tokens decide about. */
function countedPasses(s: BuildState, halting: HaltingSpec, passes: Passes): ValueId {
  switch (halting.kind) {
    case "act": return haltingPasses(s, halting, passes);
    case "graves": return gravesPasses(s, halting, passes);
  }
}

const everyPass = ({ sites, start, enter, layers }: Passes): ValueId =>
  sites.reduce((state, _, pass) => layers(pass, enter(pass, state)), start);

/** Applications one after the other. Only in the first do keys and values come from elsewhere. */
function applySites(s: BuildState, sites: readonly number[], x: ValueId, halted: Halted | null = null): ValueId {
  return sites.reduce((stream, site, i) => {
    const out = applyLayer(
      s, s.model.layers[s.model.schedule[site]!.layer]!, site, stream, halted === null || i === 0 ? halted : { ...halted, source: null },
    );
    if (s.entry.kind !== "step") s.outputs[`layers.${site}`] = out;
    return out;
  }, x);
}

const range = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i);
