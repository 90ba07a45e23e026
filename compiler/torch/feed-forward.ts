/** Classes of feed-forward blocks. The rules are those of 3-graph/feed-forward.ts. */
import type { FeedForwardSpec, LayerSpec } from "../ir/model-spec.ts";
import { recordType } from "./balance.ts";
import { isSkipping, parameters, returns } from "./block.ts";
import type { Block } from "./block.ts";
import { activated } from "./expr.ts";
import { lines, list, pascal, python } from "./python.ts";
import { isBalanced, routerCall } from "./router.ts";
import type { Routed } from "./router.ts";
import { inOrder, readsOf } from "./streams.ts";
import { configName, define, field } from "./writer.ts";
import type { Writer } from "./writer.ts";

type Dense = Extract<FeedForwardSpec, { kind: "dense" }>;
type Moe = Extract<FeedForwardSpec, { kind: "moe" }>;

export function feedForwardBlock(w: Writer, layer: LayerSpec): Block {
  const { feedForward: spec } = layer;
  if (spec.kind === "moe") return mixtureBlock(w, layer, spec);
  const make = `${denseClass(w, layer, spec)}(config.d_model, ${field(w, layer, "d_ff", spec.dFf)})`;
  return { make, takes: [readsOf(layer, "feed_forward").by("feed_forward")], isWeighted: false, loads: [] };
}

/** activation(up) or activation(gate) · up, of the argument that both read. */
const hidden = ({ activation, glu }: Dense | Moe, argument: string): string => (glu
  ? `${activated(activation, `self.gate(${argument})`)} * self.up(${argument})` : activated(activation, `self.up(${argument})`));

/** A dense block, also that of the experts which every token visits. */
function denseClass(w: Writer, layer: LayerSpec, spec: Dense | Moe): string {
  const bias = (has: boolean): string => (has ? "" : ", bias=False");
  return define(w, ["FeedForward", `FeedForward${pascal(layer.name)}`], (name) => python`
    class ${name}(nn.Module):
        def __init__(self, d_model: int, d_ff: int) -> None:
            super().__init__()
            self.up = nn.Linear(d_model, d_ff${bias(spec.bias !== false)})
            ${spec.glu ? `self.gate = nn.Linear(d_model, d_ff${bias(spec.bias !== false)})` : ""}
            self.down = nn.Linear(d_ff, d_model${bias(spec.bias === true)})

        def forward(self, x: Tensor) -> Tensor:
            return self.down(${hidden(spec, "x")})
  `);
}

function mixtureBlock(w: Writer, layer: LayerSpec, spec: Moe): Block {
  const reads = readsOf(layer, "feed_forward");
  const [x, router] = [reads.by("feed_forward"), reads.byRouter(spec.router, "feed_forward")];
  const { nExperts, topK, balance } = spec;
  const routed: Routed = { layer, prefix: "expert_", nHeads: 1, nExperts, topK, router: spec.router, balance };
  const block = { takes: inOrder([x, router]), isWeighted: isSkipping(w.model), loads: isBalanced(routed) ? ["load"] : [] };
  const loadTypes = block.loads.map(() => recordType(spec.router, spec.balance));
  const init = constructor(w, layer, spec, routed);
  const name = define(w, ["MixtureOfExperts", `MixtureOfExperts${pascal(layer.name)}`], (name) => python`
    class ${name}(nn.Module):
        """${docOf(spec)}"""

        def __init__(self, config: ${configName(w.model)}) -> None:
            super().__init__()
            ${init}

        def forward(self, ${parameters(block)}) -> ${returns({ loadTypes })}:
            route = self.router(${router}${block.isWeighted ? ", weight" : ""})
            rows = ${x}.flatten(0, 1)[route.order // self.top_k]
            hidden = ${spec.bias === true || spec.glu ? "" : GATES}${hidden(spec, "rows, route.ends")}
            ${spec.glu && spec.bias !== true ? `hidden = ${GATES}hidden` : ""}
            slots = unsorted(${spec.bias === true ? GATES : ""}self.down(hidden, route.ends), route.order)
            ${result(spec, x, block.loads)}
  `);
  return { ...block, make: `${name}(config)` };
}

const GATES = "route.gates.flatten()[route.order, None] * ";

/** Statements of the constructor. */
function constructor(w: Writer, layer: LayerSpec, spec: Moe, routed: Routed): string {
  const number = (name: string, value: number): string => field(w, layer, name, value);
  const [nExperts, width] = [number("n_experts", spec.nExperts), number("expert_size", spec.expertSize)];
  const experts = (sizes: string, isBiased: boolean): string => `${isBiased ? "BiasedExperts" : "Experts"}(${nExperts}, ${sizes})`;
  const into = experts(`config.d_model, ${width}`, spec.bias !== false);
  return lines(
    `self.top_k = ${number("expert_top_k", spec.topK)}`, `self.router = ${routerCall(w, routed)}`,
    `self.up = ${into}`, spec.glu ? `self.gate = ${into}` : "", `self.down = ${experts(`${width}, config.d_model`, spec.bias === true)}`,
    spec.bias === "shared_output" ? "self.down_bias = nn.Parameter(torch.zeros(config.d_model))" : "",
    spec.nShared === 0 ? "" : `self.shared = ${denseClass(w, layer, spec)}(config.d_model, ${number("n_shared", spec.nShared)} * ${width})`,
    spec.sharedGate === "none" ? "" : "self.shared_gate = nn.Linear(config.d_model, 1, bias=False)",
  );
}

function result(spec: Moe, x: string, loads: readonly string[]): string {
  const sum = `slots.view(*${x}.shape[:2], self.top_k, -1).sum(2)`;
  const gate = spec.sharedGate === "none" ? "" : `self.shared_gate(${x}).sigmoid() * `;
  const shared = spec.nShared === 0 ? "" : ` + ${gate}self.shared(${x})`;
  const bias = spec.bias === "shared_output" ? " + self.down_bias" : "";
  return `return ${list(`${sum}${shared}${bias}`, ...loads.map(() => "route.load"))}`;
}

const docOf = ({ nShared, sharedGate }: Moe): string => `Σ over the chosen experts of gate · expert(x)${
  nShared === 0 ? "" : `, and experts that every token visits, as one block${sharedGate === "none" ? "" : " with a gate"}`}.`;
