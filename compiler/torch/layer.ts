/** The class of a layer: where its norms stand around its blocks. The rules are those of 3-graph/layer.ts. */
import type { LayerSpec, ModelSpec } from "../ir/model-spec.ts";
import { haltingLayers } from "../stack/passes.ts";
import { attentionBlock } from "./attention.ts";
import { isSkipping } from "./block.ts";
import type { Block } from "./block.ts";
import { isCausal } from "./context.ts";
import { feedForwardBlock } from "./feed-forward.ts";
import { normCall } from "./norm.ts";
import { lines, list, number, pascal, python, tuple } from "./python.ts";
import { leavesLoads, loadsType } from "./router.ts";
import { normsBefore } from "./streams.ts";
import type { Part, Stream } from "./streams.ts";
import { configName, define } from "./writer.ts";
import type { Writer } from "./writer.ts";

/** "Layer(config)" */
export function layerCall(w: Writer, index: number): string {
  const layer = w.model.layers[index]!;
  const [attention, feedForward] = [attentionBlock(w, layer), feedForwardBlock(w, layer)];
  const halts = haltingLayers(w.model).has(index);
  const isSkipped = isSkipping(w.model);
  const loads = [...attention.loads, ...feedForward.loads.map(() => "load")];
  const given = list(
    "x: Tensor", isSkipped ? "source: Tensor, weight: Tensor" : "", isCausal(w.model) ? "application: int" : "", "context: Context",
  );
  const left = !leavesLoads(w.model) ? "" : `, ${loads.length === 0 ? "()" : tuple(loads)}`;
  const name = define(w, ["Layer", `Layer${pascal(layer.name)}`], (name) => python`
    class ${name}(GradientCheckpointingLayer):
        def __init__(self, config: ${configName(w.model)}) -> None:
            super().__init__()
            ${norms(layer, "attention")}
            self.attention = ${attention.make}
            ${norms(layer, "feed_forward")}
            self.feed_forward = ${feedForward.make}
            ${halts ? "self.halting = Halting(config.d_model)" : ""}

        def forward(self, ${given}) -> ${leavesLoads(w.model) ? `tuple[Tensor, ${loadsType(w.model)}]` : "Tensor"}:
            ${isSkipped ? "running = (weight != 0).to(x.dtype)" : ""}
            ${applied(w.model, layer, "attention", attention, list(isCausal(w.model) ? "application" : "", "context"))}
            ${applied(w.model, layer, "feed_forward", feedForward, "").replace(/\nx = (.*)$/, "\nreturn $1")}${left}
  `);
  return `${name}(config)`;
}

/** The norms of a block. */
function norms(layer: LayerSpec, part: Part): string {
  const make = normCall(layer.norm, "config.d_model");
  return lines(
    normsBefore(layer, part) || layer.placement.stands === "after" ? `self.norm_${part} = ${make}` : "",
    layer.placement.stands === "around" ? `self.norm_${part}_out = ${make}` : "",
  );
}

/** x + block, with the norms where the layer has them; where blocks are parallel, both read x. */
function applied(model: ModelSpec, layer: LayerSpec, part: Part, block: Block, rest: string): string {
  const { stands } = layer.placement;
  const norm = `self.norm_${part}`;
  const given: Readonly<Record<Stream, string>> = { x: "x", normed: `${norm}(x)`, source: "source", source_normed: `${norm}(source)` };
  const call = `self.${part}(${list(...block.takes.map((stream) => given[stream]), block.isWeighted ? "weight" : "", rest)})`;
  const out = stands === "around" ? `${norm}_out(out)` : "out";
  const factors = [...(layer.residualScale === 1 ? [] : [number(layer.residualScale)]), ...(isSkipping(model) ? ["running"] : [])];
  const [from, to] = layer.parallel ? (part === "attention" ? ["x", "attended"] : ["attended", "x"]) : ["x", "x"];
  const sum = `${from} + ${[...factors, out].join(" * ")}`;
  return lines(
    `${list("out", ...block.loads.map((load) => load))} = ${call}`, `${to} = ${stands === "after" ? `${norm}(${sum})` : sum}`,
  );
}
