/** Routers: logits → chosen experts, their gates, and what the balance of the load needs. The rules are those of 3-graph/router.ts. */
import type { BalanceSpec, LayerSpec, ModelSpec, RouterSpec } from "../ir/model-spec.ts";
import { balanceMethod, recordLines, recordParts, recordType } from "./balance.ts";
import { lines, list, number, python, tuple } from "./python.ts";
import { configName, define, field } from "./writer.ts";
import type { Writer } from "./writer.ts";

/** A router in its place. */
export interface Routed {
  readonly layer: LayerSpec;
  /** Prefix of its numbers in the configuration: "head_" or "expert_". */
  readonly prefix: string;
  readonly nHeads: number;
  readonly nExperts: number;
  readonly topK: number;
  readonly router: RouterSpec;
  readonly balance: BalanceSpec | null;
}

/** Whether an application of it leaves something for the loss. */
export const isBalanced = ({ router, balance }: Pick<Routed, "router" | "balance">): boolean => recordParts(router, balance).length > 0;

/** "Router(config.d_model, …)", whose class is defined with it. */
export function routerCall(w: Writer, at: Routed): string {
  const { layer, prefix, nHeads, nExperts, topK, router, balance } = at;
  const number = (name: string, value: number, type: "int" | "float" = "int"): string => field(w, layer, `${prefix}${name}`, value, type);
  const name = define(w, ["Router", prefix === "head_" ? "HeadRouter" : "ExpertRouter"], (name) => routerClass(w, name, at));
  return `${name}(${list(
    "config", nHeads === 1 ? "1" : field(w, layer, "n_heads", nHeads),
    field(w, layer, prefix === "head_" ? "head_experts" : "n_experts", nExperts),
    number("top_k", topK),
    router.hidden === null ? "" : number("router_hidden", router.hidden),
    balance === null ? "" : number("balance", balance.weight, "float"),
    router.zLoss === 0 ? "" : number("z_loss", router.zLoss, "float"),
  )})`;
}

function routerClass({ model }: Writer, name: string, { router, balance }: Routed): string {
  const { hidden, hasBias, loadBiasRate } = router;
  const isSkipping = model.halting?.kind === "act";
  // One reader needs no variable.
  const distribution = balance?.kind === "entropy" && router.score !== "softmax" ? "logits.softmax(-1)"
    : balance !== null || router.score === "softmax" ? "distribution" : "";
  const gates = takesValues(router) && router.weight === "score" ? "values.sigmoid()" : "gates";
  const width = hidden === null ? "config.d_model" : "hidden";
  const floats = [...(balance === null ? [] : ["balance_weight"]), ...(router.zLoss === 0 ? [] : ["z_weight"])];
  const kept = ["n_heads", "n_experts", "top_k", ...floats];
  const arguments_ = [
    ...["n_heads", "n_experts", "top_k", ...(hidden === null ? [] : ["hidden"])].map((name) => [name, "int"]),
    ...floats.map((name) => [name, "float"]),
  ];
  return python`
    class ${name}(nn.Module):
        """${doc(router)}"""

        def __init__(self, config: ${configName(model)}, ${arguments_.map(([name, type]) => `${name}: ${type}`).join(", ")}) -> None:
            super().__init__()
            ${assigned(kept)}
            ${hidden === null ? "" : "self.hidden = nn.Linear(config.d_model, hidden)"}
            self.weight = nn.Parameter(torch.empty(n_heads * n_experts, ${width}))
            ${hasBias ? "self.bias = nn.Parameter(torch.zeros(n_heads * n_experts))" : ""}
            ${loadBiasRate === null ? "" : "self.load_bias = nn.Parameter(torch.zeros(n_heads, n_experts))"}

        def forward(self, x: Tensor${isSkipping ? ", weight: Tensor" : ""}) -> Route:
            ${isSkipping ? '"""weight: of each token in the output, 0 where it is skipped, [B, T, 1]"""' : ""}
            ${router.inputDropout === 0 ? "" : `x = F.dropout(x, ${number(router.inputDropout)}, self.training)`}
            ${hidden === null ? "" : "x = self.hidden(x).tanh()"}
            logits = F.linear(x, self.weight${hasBias ? ", self.bias" : ""}).unflatten(-1, (self.n_heads, -1))  # [B, T, H, E]
            ${distribution === "distribution" ? "distribution = logits.softmax(-1)" : ""}
            ${choice(router)}
            ${router.weight === "renormalized" ? `gates = gates / ${sumOfGates(router)}` : ""}
            ${recordLines(router, balance, { isSkipping, distribution })}
            return Route(${list(gates, "*sort_by_expert(chosen, self.n_experts)", record(router, balance))})
        ${isBalanced({ router, balance }) ? `\n${balanceMethod(router, balance, model)}` : ""}
  `;
}

/** Of a few, one statement. */
const assigned = (names: readonly string[]): string => (names.length > 4 ? names.map((name) => `self.${name} = ${name}`).join("\n")
  : `${names.map((name) => `self.${name}`).join(", ")} = ${names.join(", ")}`);

const sumOfGates = ({ sumEps }: RouterSpec): string =>
  (sumEps === 0 ? "gates.sum(-1, keepdim=True)" : `(gates.sum(-1, keepdim=True) + ${number(sumEps)})`);

const record = (router: RouterSpec, balance: BalanceSpec | null): string => {
  const parts = recordParts(router, balance);
  return parts.length < 2 ? parts.join() : tuple(parts);
};

/** Routers of a model, as far as what they leave for the loss goes. */
const routersOf = ({ layers }: ModelSpec): readonly Pick<Routed, "router" | "balance">[] =>
  layers.flatMap(({ attention, feedForward }) =>
    [...("router" in attention ? [attention] : []), ...("router" in feedForward ? [feedForward] : [])]);

/** Whether applications of layers leave something for the loss. */
export const leavesLoads = (model: ModelSpec): boolean => routersOf(model).some(isBalanced);

/** The type of what the routers of an application leave for the loss. */
export const loadsType = (model: ModelSpec): string => `tuple[${loadType(model)}, ...]`;

/** Of what one router leaves: "Tensor | tuple[Tensor, ...]". */
const loadType = (model: ModelSpec): string =>
  [...new Set(routersOf(model).filter(isBalanced).map(({ router, balance }) => recordType(router, balance)))].join(" | ");

export function routeClass(model: ModelSpec): string {
  const isOptional = leavesLoads(model) && !routersOf(model).every(isBalanced);
  return python`
    class Route(NamedTuple):
        """For each of N = B·T tokens, H choices of K experts each. A slot is one of these N·H·K."""

        gates: Tensor  # [B, T, H, K]
        order: Tensor  # slots in the order of their experts
        ends: Tensor  # where in that order the slots of each expert end
        ${leavesLoads(model) ? `load: ${loadType(model)}${isOptional ? " | None = None" : ""}  # of the experts, for the loss` : ""}
  `;
}

function doc({ score, weight, loadBiasRate, sampled }: RouterSpec): string {
  const gates = score === "sigmoid" ? "sigmoids" : score === "softmax" ? "probabilities" : score.name;
  const by = loadBiasRate === null ? "logits" : "scores and biases";
  return `Heads of tokens choose the experts of greatest ${by}; gates: ${gates}${weight === "renormalized" ? " of sum 1" : ""}${
    sampled === 0 ? "" : `; training draws ${sampled}`}.`;
}

/** The greatest scores are chosen, and nothing else matters. */
const isPlain = ({ loadBiasRate, expertDropout, sampled }: RouterSpec): boolean =>
  loadBiasRate === null && expertDropout === 0 && sampled === 0;

/** The sigmoids of the chosen logits are enough. */
const takesValues = (router: RouterSpec): boolean => isPlain(router) && router.score === "sigmoid";

/** Statements that end with `chosen` and `gates`, or the `values` that these come from. */
function choice(router: RouterSpec): string {
  const { score, loadBiasRate, expertDropout, sampled } = router;
  const values = router.weight === "score" ? "" : "gates = values.sigmoid()";
  if (takesValues(router)) return lines("values, chosen = logits.topk(self.top_k)", values);
  if (isPlain(router)) return `gates, chosen = ${score === "softmax" ? "distribution" : scoreOf(router)}.topk(self.top_k)`;
  return lines(
    `scores = ${scoreOf(router)}`,
    `ranked = ${loadBiasRate !== null ? "scores + self.load_bias" : typeof score === "string" ? "logits" : "scores"}`,
    expertDropout === 0 && sampled === 0 ? "" : `if self.training:\n${disturbed(router).replace(/^/gm, "    ")}`,
    "chosen = ranked.topk(self.top_k).indices", "gates = scores.gather(-1, chosen)",
  );
}

const scoreOf = ({ score }: RouterSpec): string =>
  (score === "softmax" ? "distribution" : score === "sigmoid" ? "logits.sigmoid()" : `${score.name}(logits)`);

/** What training does to the ranks: experts that are out of the question, and others that are drawn. */
function disturbed({ expertDropout, sampled }: RouterSpec): string {
  const left = (x: string): string => (expertDropout === 0 ? x : `${x}.masked_fill(out, -1e30)`);
  return lines(
    expertDropout === 0 ? "" : `out = torch.rand_like(ranked) < ${number(expertDropout)}`,
    ...(sampled === 0 ? [`ranked = ${left("ranked")}`] : [
      `first = ${left("ranked")}.topk(self.top_k - ${sampled}).indices`,
      "race = (1 - torch.rand_like(scores)).log() / (scores + 1e-6)  # drawn by scores",
      `ranked = ${left("race.scatter(-1, first, 1.0)")}`,
    ]),
  );
}
