/** How a pass over the core begins, and how tokens halt. The rules are those of 3-graph/core.ts, halting.ts and graves.ts. */
import type { CoreSpec, HaltingSpec, ModelSpec } from "../ir/model-spec.ts";
import { injectsByMaps } from "../parameters/parameters.ts";
import { lines, list, number, python } from "./python.ts";
import { configName } from "./writer.ts";

/** Whether anything happens between the state and the layers of a pass. */
export const entersByCore = ({ core }: ModelSpec): boolean => core !== null && (core.inject !== "none" || core.passEmbedding !== null);

const readsPositions = ({ passEmbedding }: CoreSpec): boolean => passEmbedding?.kind === "sinusoidal" && passEmbedding.positions;

/** What the model's forward pass reads in a pass. @param state name of a variable */
export function entered(model: ModelSpec, state: string): string {
  const { core } = model;
  return core === null || !entersByCore(model) ? state : `self.core(${list(state, ...given(core).map(([name]) => name))})`;
}

/** What a core is given besides the state. */
const given = (core: CoreSpec): readonly (readonly [name: string, type: string])[] => [
  ...(readsInput(core) ? [["entered", "Tensor"] as const] : []), ...(core.passEmbedding === null ? [] : [["index", "int"] as const]),
  ...(readsPositions(core) ? [["places", "Tensor"] as const] : []),
];

const readsInput = ({ inject }: CoreSpec): boolean => inject !== "none";

/** Whether it matters where a token stands behind padding: distances are the same there. Rotated queries choose among relative scores. */
export const readsPlaces = ({ core, layers, embedding }: ModelSpec): boolean => embedding.learnedPositions
  || core !== null && (readsPositions(core) || core.state.kind === "normal")
  || layers.some(({ attention: { rope, relative } }) => rope !== null && relative !== null);

/** The state before the first pass. */
export function startOf(core: CoreSpec | null): string {
  switch (core?.state.kind) {
    case undefined: case "input": return "x";
    case "zero": return "torch.zeros_like(entered)";
    case "normal": return `${number(core.state.std)} * self.noise(entered, places)`;
  }
}

/** Outside training the numbers of a position are always the same. */
export const noiseMethod = python`
  def noise(self, like: Tensor, places: Tensor) -> Tensor:
      """Normal numbers; outside training those of a place are always the same."""
      if self.training:
          return torch.randn_like(like)
      table = torch.randn(self.config.seq_len, like.shape[-1], generator=torch.Generator().manual_seed(0))
      return table.to(like)[places]
`;

export function coreClass(model: ModelSpec): string {
  const core = model.core!;
  const parameters = list("state: Tensor", ...given(core).map(([name, type]) => `${name}: ${type}`));
  return python`
    class Core(nn.Module):
        """How a pass begins: ${DOCS[core.inject]}${core.passEmbedding === null ? "" : ", and where in depth it is"}."""

        ${constructor(model, core)}
        def forward(self, ${parameters}) -> Tensor:
            ${inject(core)}
            ${embed(core)}
            return state
  `;
}

const DOCS: Readonly<Record<CoreSpec["inject"], string>> = {
  none: "its layers read the state", add: "the state and what entered the core, added",
  concat: "one map of the state and what entered the core",
  gate: "gates choose between the state and what entered the core",
};

const SQUARE = "nn.Linear(config.d_model, config.d_model, bias=False)";

function constructor(model: ModelSpec, core: CoreSpec): string {
  const isLearned = core.passEmbedding?.kind === "learned";
  if (!injectsByMaps(core) && !isLearned) return "";
  return `${python`
    def __init__(self, config: ${configName(model)}) -> None:
        super().__init__()
        ${injectsByMaps(core) ? lines(...["state", "input"].map((name) => `self.${name} = ${SQUARE}`)) : ""}
        ${core.inject === "gate" ? "self.bias = nn.Parameter(torch.zeros(config.d_model))" : ""}
        ${isLearned ? `self.pass_embedding = nn.ParameterList(torch.zeros(config.d_model) for _ in range(${core.passes}))` : ""}
  `}\n`;
}

function inject({ inject }: CoreSpec): string {
  switch (inject) {
    case "none": return "";
    case "add": return "state = state + entered";
    case "concat": return "state = self.state(state) + self.input(entered)";
    case "gate": return lines(
      "gate = (self.state(state) + self.input(entered) + self.bias).sigmoid()", "state = gate * state + (1 - gate) * entered",
    );
  }
}

function embed({ passEmbedding: spec }: CoreSpec): string {
  if (spec === null) return "";
  if (spec.kind === "learned") return "state = state + self.pass_embedding[index]";
  const add = (at: string): string => `state = state + sinusoid(${at}, state.shape[-1], ${number(spec.base)}).to(state.dtype)`;
  return lines(add("torch.tensor(index, device=state.device)"), spec.positions ? add("places") : "");
}

export const sinusoid = python`
  def sinusoid(positions: Tensor, d_model: int, base: float) -> Tensor:
      """Sines and cosines of the angles position · base^(−2j / d_model) in turn, [..., D]"""
      channel = torch.arange(d_model, device=positions.device)
      angles = positions[..., None] * base ** (-(channel - channel % 2).double() / d_model)
      return torch.where(channel % 2 == 0, angles.sin(), angles.cos())
`;

/** The network of a layer by which tokens halt. */
export function haltingClass({ kind }: HaltingSpec): string {
  return kind === "graves" ? python`
    class Halting(nn.Module):
        """The probability with which a token halts, [B, T, 1]."""

        def __init__(self, d_model: int) -> None:
            super().__init__()
            self.stop = nn.Linear(d_model, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.stop(x).sigmoid()
  ` : python`
    class Halting(nn.Module):
        """The logit of halting against going on, [B, T, 1]."""

        def __init__(self, d_model: int) -> None:
            super().__init__()
            self.hidden = nn.Linear(d_model, d_model)
            self.go = nn.Linear(d_model, 1, bias=False)
            self.stop = nn.Linear(d_model, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            hidden = F.gelu(self.hidden(x))
            return self.stop(hidden) - self.go(hidden)
  `;
}
