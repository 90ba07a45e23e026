/** What routers add to the loss. The terms are those of 3-graph/balance.ts and 3-graph/mutual-information.ts. */
import type { BalanceSpec, ModelSpec, RouterSpec } from "../ir/model-spec.ts";
import { lines, python } from "./python.ts";

type Kind = "load" | "information" | "z" | "bias";

const kinds = ({ zLoss, loadBiasRate }: RouterSpec, balance: BalanceSpec | null): readonly Kind[] => [
  ...(balance === null ? [] : [balance.kind === "mutual_information" ? "information" as const : "load" as const]),
  ...(zLoss === 0 ? [] : ["z" as const]), ...(loadBiasRate === null ? [] : ["bias" as const]),
];

/** The parts of what one application leaves, as variables of the router's forward pass. */
export const recordParts = (router: RouterSpec, balance: BalanceSpec | null): readonly string[] =>
  kinds(router, balance).flatMap((kind) => PARTS[kind]);

const PARTS: Readonly<Record<Kind, readonly string[]>> = {
  load: ["load"], information: ["load", "certainty", "total"], z: ["z_loss"], bias: ["bias_step"],
};

/** Type of what one application leaves. */
export const recordType = (router: RouterSpec, balance: BalanceSpec | null): string =>
  (recordParts(router, balance).length === 1 ? "Tensor" : "tuple[Tensor, ...]");

/** Statements that make the parts. */
export const recordLines = (
  router: RouterSpec, balance: BalanceSpec | null,
  { isSkipping, distribution }: { readonly isSkipping: boolean; readonly distribution: string },
): string => lines(
  balance === null ? "" : loadLines(balance, distribution, isSkipping),
  router.zLoss === 0 ? "" : "z_loss = logits.logsumexp(-1).square().mean()",
  router.loadBiasRate === null ? "" : biasLines(isSkipping),
);

/** Over which axes of [B, T, H, E] a group of positions is averaged. */
const MEANS: Readonly<Record<BalanceSpec["over"], string>> = { sequence: ".mean(1)", batch: ".mean((0, 1))", token: "" };
const SHAPES: Readonly<Record<BalanceSpec["over"], string>> = { sequence: "[B, H, E]", batch: "[H, E]", token: "[B, T, H, E]" };

/** @param distribution of each choice over the experts: a variable, or how it is made */
function loadLines({ kind, over }: BalanceSpec, distribution: string, isSkipping: boolean): string {
  const whole = (text: string): string => (over === "batch" ? `mean_over_ranks(${text})` : text);
  switch (kind) {
    case "entropy": return `load = ${whole(`${distribution}${MEANS[over]}`)}  # ${SHAPES[over]}`;
    case "load": return lines(
      "visits = torch.zeros_like(distribution).scatter(-1, chosen, 1.0)",
      `load = ${whole(`torch.stack((distribution${MEANS[over]}, visits${MEANS[over]}))`)}  # [2, ${SHAPES[over].slice(1)}`,
    );
    case "mutual_information": return isSkipping ? weighted : unweighted;
  }
}

const unweighted = lines(
  "load = sum_over_ranks(distribution.sum((0, 1)))  # [H, E]",
  "certainty = sum_over_ranks((distribution * logits.log_softmax(-1)).sum((0, 1, 3)))  # [H]",
  "total = sum_over_ranks(load.new_tensor(float(x.shape[:2].numel())))",
);
const weighted = lines(
  "weights = weight[..., None]",
  "load = sum_over_ranks((weights * distribution).sum((0, 1)))  # [H, E]",
  "certainty = sum_over_ranks((weights * distribution * logits.log_softmax(-1)).sum((0, 1, 3)))  # [H]",
  "total = sum_over_ranks(weight.sum())",
);

/** A term of value 0 whose gradient is what the biases go by. */
const biasLines = (isSkipping: boolean): string => lines(
  "visits = torch.zeros_like(scores).scatter(-1, chosen, 1.0)", ...(isSkipping ? ["visits = visits * (weight != 0)[..., None]"] : []),
  "counts = visits.sum((0, 1))  # [H, E]",
  "excess = counts - counts.mean(-1, keepdim=True)",
  "bias_step = ((self.load_bias - self.load_bias.detach()) * excess).sum()  # 0, with the excess as its gradient",
);

/** The method `balance` of a router, from what all its applications left. */
export function balanceMethod(router: RouterSpec, balance: BalanceSpec | null, model: ModelSpec): string {
  const parts = recordParts(router, balance);
  const terms = kinds(router, balance).map((kind) => termOf(kind, balance));
  const plurals = parts.map((part) => PLURALS[part]!);
  return python`
    def balance(self, records: Sequence[${recordType(router, balance)}]) -> Tensor:
        """${balance === null ? "What all applications add to the loss." : `${docOf(balance)}`}"""
        ${parts.length === 1 ? "" : `${plurals.join(", ")} = zip(*records)`}
        ${balance === null ? "" : loadOf(balance, parts.length === 1 ? "records" : "loads", model)}
        ${sumOf(terms.map((term) => term.replace(/\b(z_losses|bias_steps)\b/g, (name) => (parts.length === 1 ? "records" : name))))}
  `;
}

const sumOf = ([first, ...rest]: readonly string[]): string =>
  (rest.length === 0 ? `return ${first}`
    : lines(`loss = ${first}`, ...rest.slice(0, -1).map((term) => `loss = loss + ${term}`), `return loss + ${rest.at(-1)}`));

const PLURALS: Readonly<Record<string, string>> = {
  load: "loads", certainty: "certainties", total: "totals", z_loss: "z_losses", bias_step: "bias_steps",
};

/** Statements that make the load of all applications from a sequence of loads. */
function loadOf({ kind, passes }: BalanceSpec, loads: string, { halting }: ModelSpec): string {
  if (kind === "mutual_information") return lines(
    `total = torch.stack(totals).sum()${halting?.kind === "act" ? " + 1e-12" : " * self.n_experts"}`,
    `load = torch.stack(${loads}).sum(0) / total`,
    "certainty = torch.stack(certainties).sum(0) / total",
  );
  const name = kind === "load" ? "load, visits" : "load";
  const dim = passes ? ".mean(0)" : "";
  return kind === "load" ? `${name} = torch.stack(${loads}${passes ? ")" : ", 1)"}${dim}` : `${name} = torch.stack(${loads})${dim}`;
}

const P_LOG_P = "(load * load.clamp_min(1e-30).log()).sum(-1)";

function termOf(kind: Kind, balance: BalanceSpec | null): string {
  switch (kind) {
    case "load": return balance!.kind === "load" ? "self.balance_weight * self.n_experts / self.top_k * (load * visits).sum(-1).mean()"
      : `self.balance_weight * ${P_LOG_P}.mean()`;
    case "information": return `-self.balance_weight * (certainty + ${P_LOG_P}).mean()`;
    case "z": return "self.z_weight * torch.stack(z_losses).mean()";
    case "bias": return "torch.stack(bias_steps).sum()";
  }
}

function docOf({ kind, over, passes }: BalanceSpec): string {
 
  const group = { sequence: "each sequence", batch: "the batch", token: "each token" }[over];
  const what = passes ? `${group} over all applications` : `${group} in each application`;
  switch (kind) {
    case "entropy": return `Negative entropy of the mean load of ${what}: least where it is even.`;
    case "load": return `Mean load times visits of ${what}: least where they are even.`;
    case "mutual_information": return "Least where each token is sure of its experts and all tokens together are even.";
  }
}
