/** Functions and classes that a module has if something in it reads them. */
import { functionsOf } from "../format/index.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import { causalMask, contextClass, paddingMask, relativeBias, rotaryTables, rotate, windowMask } from "./context.ts";
import { haltingClass, coreClass, sinusoid } from "./core.ts";
import { functionText } from "./expr.ts";
import { python, uses } from "./python.ts";
import { routeClass } from "./router.ts";

const groupedMm = (model: ModelSpec): string => {
  const isAligned = expertWidths(model).every((width) => width % 8 === 0);
  return python`
    def grouped_mm(rows: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
        """Rows [slots, in], sorted by expert, each times the matrix of its expert in weight [E, in, out]: [slots, out]"""
        if torch.is_autocast_enabled(rows.device.type):
            dtype = torch.get_autocast_dtype(rows.device.type)
            rows, weight = rows.to(dtype), weight.to(dtype)
        if rows.is_cuda and rows.dtype == torch.bfloat16:
            ${isAligned ? "return F.grouped_mm(rows, weight, offs=ends)" : PADDED}
        starts = [0, *ends.tolist()]
        return torch.cat([rows[start:end] @ w for start, end, w in zip(starts, starts[1:], weight)])
  `;
};

/** grouped_mm wants rows of 16 bytes. */
const PADDED = `d_in, d_out = weight.shape[1:]
rows = F.pad(rows, (0, -d_in % 8))  # rows of a multiple of 16 bytes
weight = F.pad(weight, (0, -d_out % 8, 0, -d_in % 8))
return F.grouped_mm(rows, weight, offs=ends)[:, :d_out]`;

/** All widths of matrices of experts. */
const expertWidths = ({ dModel, layers }: ModelSpec): readonly number[] => [dModel, ...layers.flatMap(({ attention, feedForward }) => [
  ...(attention.kind === "switchhead" ? [attention.dHead] : attention.kind === "moa" ? [attention.nHeads * attention.dHead] : []),
  ...(feedForward.kind === "moe" ? [feedForward.expertSize] : []),
])];

const sortByExpert = (model: ModelSpec): string => {
  const hasHeads = model.layers.some(({ attention }) => attention.kind === "switchhead");
  return hasHeads ? python`
    def sort_by_expert(chosen: Tensor, n_experts: int) -> tuple[Tensor, Tensor]:
        """Of chosen experts [B, T, H, K]: slots in the order of heads and experts, and where those of each expert end."""
        n_heads = chosen.shape[-2]
        numbered = (chosen + n_experts * torch.arange(n_heads, device=chosen.device)[:, None]).flatten()
        ends = numbered.bincount(minlength=n_heads * n_experts).cumsum(0)
        return numbered.argsort(stable=True), ends.to(torch.int32)
  ` : python`
    def sort_by_expert(chosen: Tensor, n_experts: int) -> tuple[Tensor, Tensor]:
        """Of chosen experts [B, T, 1, K]: slots in the order of their experts, and where those of each expert end."""
        ends = chosen.flatten().bincount(minlength=n_experts).cumsum(0)
        return chosen.flatten().argsort(stable=True), ends.to(torch.int32)
  `;
};

const UNSORTED = python`
  def unsorted(slots: Tensor, order: Tensor) -> Tensor:
      return torch.empty_like(slots).index_copy(0, order, slots)
`;

const MIXTURE = python`
  def mixture(x: Tensor, experts: Experts, route: Route) -> Tensor:
      """Σ over the experts that each head chose of gate · expert(x), [B, T, H, out]; x are tokens or their heads."""
      rows = x.reshape(-1, x.shape[-1])
      slots = unsorted(experts(rows[route.order // (len(route.order) // len(rows))], route.ends), route.order)
      return (route.gates[..., None, :] @ slots.view(*route.gates.shape, -1)).squeeze(-2)
`;

const EXPERTS = python`
  class Experts(nn.Module):
      def __init__(self, n_experts: int, d_in: int, d_out: int) -> None:
          super().__init__()
          self.weight = nn.Parameter(torch.randn(n_experts, d_in, d_out) / d_in**0.5)

      def forward(self, rows: Tensor, ends: Tensor) -> Tensor:
          return grouped_mm(rows, self.weight, ends)
`;

const BIASED_EXPERTS = python`
  class BiasedExperts(nn.Module):
      """A matrix and a bias for each expert."""

      def __init__(self, n_experts: int, d_in: int, d_out: int) -> None:
          super().__init__()
          self.weight = nn.Parameter(torch.randn(n_experts, d_in, d_out) / d_in**0.5)
          self.bias = nn.Parameter(torch.zeros(n_experts, d_out))

      def forward(self, rows: Tensor, ends: Tensor) -> Tensor:
          expert = torch.searchsorted(ends, torch.arange(len(rows), device=rows.device, dtype=ends.dtype), right=True)
          return grouped_mm(rows, self.weight, ends) + self.bias[expert]
`;

const SUM_OVER_RANKS = python`
  def sum_over_ranks(x: Tensor) -> Tensor:
      """Of all processes that train together; gradients flow back to all of them."""
      return all_reduce(x) if distributed.is_initialized() else x
`;

const MEAN_OVER_RANKS = python`
  def mean_over_ranks(x: Tensor) -> Tensor:
      """Of all processes that train together; gradients flow back to all of them."""
      return sum_over_ranks(x) / (distributed.get_world_size() if distributed.is_initialized() else 1)
`;

/** In the order in which they stand in a module: what is read stands first. */
const helpers = (model: ModelSpec): readonly (readonly [name: string, text: string])[] => [
  ...functionsOf(model).map((fn) => [fn.name, functionText(fn)] as const),
  ["causal_mask", causalMask(model)], ["padding_mask", paddingMask], ["window_mask", windowMask],
  ["rotary_tables", rotaryTables(model)], ["sinusoid", sinusoid], ["Context", contextClass(model)], ["rotate", rotate],
  ["relative_bias", relativeBias],
  ["sum_over_ranks", SUM_OVER_RANKS], ["mean_over_ranks", MEAN_OVER_RANKS],
  ["grouped_mm", groupedMm(model)], ["sort_by_expert", sortByExpert(model)], ["unsorted", UNSORTED], ["Route", routeClass(model)],
  ["Experts", EXPERTS], ["BiasedExperts", BIASED_EXPERTS], ["mixture", MIXTURE],
  ...(model.halting === null ? [] : [["Halting", haltingClass(model.halting)] as const]),
  ...(model.core === null ? [] : [["Core", coreClass(model)] as const]),
];

/** Those that a text reads, directly or through others. */
export function helpersFor(model: ModelSpec, text: string): readonly string[] {
  const all = helpers(model);
  const isRead = (name: string, kept: readonly string[]): boolean => uses([...kept, text].join("\n"), name);
  return all.reduceRight<readonly string[]>((kept, [name, helper]) => (isRead(name, kept) ? [helper, ...kept] : kept), []);
}
