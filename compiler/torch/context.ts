/** What all layers share in one forward pass: masks, tables of rotary positions, distances, the cache. */
import { ropeKey } from "../ir/model-spec.ts";
import type { AttentionSpec, ModelSpec, RopeSpec } from "../ir/model-spec.ts";
import { readsPlaces } from "./core.ts";
import { lines, list, number, python } from "./python.ts";

const attentions = ({ layers }: ModelSpec): readonly AttentionSpec[] => layers.map(({ attention }) => attention);

export const isCausal = (model: ModelSpec): boolean => attentions(model).every(({ causal }) => causal);

const hasRelative = (model: ModelSpec): boolean => attentions(model).some(({ relative }) => relative !== null);

/** Different things of a model, each with the field that holds it: one has the plain name. */
const named = <T>(all: readonly T[], plain: string, suffix: (x: T) => string): readonly (readonly [string, T])[] => {
  const different = [...new Map(all.map((x) => [suffix(x), x])).entries()];
  return different.map(([own, x]) => [different.length === 1 ? plain : `${plain}_${own}`, x]);
};

type Mask = Pick<AttentionSpec, "causal" | "window">;

const maskSuffix = ({ causal, window }: Mask): string => `${causal ? "causal" : "all"}${window === null ? "" : `_${window}`}`;
const masks = (model: ModelSpec): readonly (readonly [string, Mask])[] => named<Mask>(attentions(model), "mask", maskSuffix);
const ropeSuffix = (rope: RopeSpec): string => ropeKey(rope).replace(/\W/g, "_");
const ropes = (model: ModelSpec): readonly (readonly [string, RopeSpec])[] =>
  named(attentions(model).flatMap(({ rope }) => (rope === null ? [] : [rope])), "rotary", ropeSuffix);

const fieldOf = <T>(all: readonly (readonly [string, T])[], x: T, suffix: (x: T) => string): string =>
  `context.${all.find(([, other]) => suffix(other) === suffix(x))![0]}`;

export const maskOf = (model: ModelSpec, attention: AttentionSpec): string => fieldOf<Mask>(masks(model), attention, maskSuffix);
export const rotaryOf = (model: ModelSpec, rope: RopeSpec): string => fieldOf(ropes(model), rope, ropeSuffix);

/** Whether a mask may be left out: attention then has a faster way. */
export const mayLackMask = (model: ModelSpec, { window }: Mask): boolean => window === null && !hasRelative(model);

export function contextClass(model: ModelSpec): string {
  const fields = [
    ...(isCausal(model) ? ["cache: Cache | None"] : []),
    ...masks(model).map(([name, mask]) => (mayLackMask(model, mask)
      ? `${name}: Tensor | None  # who sees whom, [B or 1, 1, T, S]; None where that is ${mask.causal ? "plainly causal" : "everyone"}`
      : `${name}: Tensor  # who sees whom, [B or 1, 1, T, S]`)),
    ...ropes(model).map(([name]) => `${name}: tuple[Tensor, Tensor]  # cosines and sines of positions, [..., T, 1, n_rotate / 2]`),
    ...(hasRelative(model) ? ["distance: Tensor  # from queries to keys, [T, S]"] : []),
  ];
  return python`
    class Context(NamedTuple):
        """What all layers share in one forward pass: T positions see S keys, of which those in the cache come first."""

        ${fields.join("\n")}
  `;
}

/** Statements of the model's forward pass that make `context`. */
export function contextLines(model: ModelSpec): string {
  const places = readsPlaces(model) ? "places" : "positions";
  const values = [
    ...(isCausal(model) ? ["past_key_values"] : []),
    ...masks(model).map(([name, mask]) => (isLong(model, mask) ? name : maskCall(model, mask))),
    ...ropes(model).map(([, rope]) => `rotary_tables(${list(places, `${rope.nRotate}`, number(rope.base), ...stretchOf(rope))})`),
    ...(hasRelative(model) ? ["keys - positions[:, None]"] : []),
  ];
  return lines(
    isCausal(model) ? "start = 0 if past_key_values is None else past_key_values.get_seq_length()" : "",
    `keys = torch.arange(${isCausal(model) ? "start + " : ""}input_ids.shape[1], device=input_ids.device)`,
    `positions = keys${isCausal(model) ? "[start:]" : ""}`,
    readsPlaces(model) ? placesOf(model) : "",
    ...masks(model).flatMap(([name, mask]) => (isLong(model, mask) ? [`${name} = ${maskCall(model, mask)}`] : [])),
    `context = Context(${values.join(", ")})`,
  );
}

/** Masks that are made in a statement of their own. */
const isLong = (model: ModelSpec, mask: Mask): boolean => mask.causal && mayLackMask(model, mask);

/** Of tokens behind padding. */
const placesOf = (model: ModelSpec): string => `places = positions
if attention_mask is not None:
    places = (attention_mask.cumsum(-1) - 1).clamp_min(0)${isCausal(model) ? "[:, start:]" : ""}`;

function maskCall(model: ModelSpec, { causal, window }: Mask): string {
  if (!causal) return window === null ? "padding_mask(attention_mask)" : `window_mask(positions, attention_mask, ${window})`;
  const call = `causal_mask(positions, keys, attention_mask${window === null ? "" : `, ${window}`})`;
  return mayLackMask(model, { causal, window }) ? `None if start == 0 and attention_mask is None else ${call}` : call;
}

const windows = (model: ModelSpec): boolean => attentions(model).some(({ causal, window }) => causal && window !== null);

export const causalMask = (model: ModelSpec): string => {
  const hasPlain = attentions(model).some(({ causal, window }) => causal && window === null);
  const near = "mask = mask & (positions[:, None] - keys < window)";
  const parameter = !windows(model) ? "" : hasPlain ? ", window: int | None = None" : ", window: int";
  return python`
    def causal_mask(positions: Tensor, keys: Tensor, padding: Tensor | None${parameter}) -> Tensor:
        """A query sees itself and what stands before it, unless that is padding${windows(model) ? " or too far away" : ""}."""
        mask = (keys <= positions[:, None])[None, None]
        ${!windows(model) ? "" : hasPlain ? `if window is not None:\n    ${near}` : near}
        if padding is not None:
            mask = mask & (padding[:, None, None].bool() | (keys == positions[:, None]))
        return mask
  `;
};

export const paddingMask = python`
  def padding_mask(padding: Tensor | None) -> Tensor | None:
      """All see all but padding."""
      return None if padding is None else padding[:, None, None].bool()
`;

export const windowMask = python`
  def window_mask(positions: Tensor, padding: Tensor | None, window: int) -> Tensor:
      """All see their neighbours but padding."""
      mask = ((positions[:, None] - positions).abs() < window)[None, None]
      return mask if padding is None else mask & (padding[:, None, None].bool() | (positions == positions[:, None]))
`;

const stretchOf = ({ stretch }: RopeSpec): readonly string[] =>
  (stretch === undefined ? [] : [stretch.factor, stretch.length, stretch.low, stretch.high].map(number));

export function rotaryTables(model: ModelSpec): string {
  const isStretched = attentions(model).some(({ rope }) => rope?.stretch !== undefined);
  return python`
    def rotary_tables(positions: Tensor, n_rotate: int, base: float${isStretched ? STRETCH : ""}) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the angles position · base^(−2j / n_rotate), [..., T, 1, n_rotate / 2]"""
        j = torch.arange(n_rotate // 2, device=positions.device, dtype=torch.float64)
        ${isStretched ? STRETCHED : "angles = positions[..., None, None] * base ** (-2 * j / n_rotate)"}
        return angles.cos(), angles.sin()
  `;
}

const STRETCH = ", factor: float = 1, length: int = 0, low: float = 1, high: float = 4";
const STRETCHED = `frequency = base ** (-2 * j / n_rotate)
kept = ((length * frequency / (2 * torch.pi) - low) / (high - low)).clamp(0, 1)  # 0: the channel is slow, 1: it is fast
angles = positions[..., None, None] * frequency * (kept + (1 - kept) / factor)`;

export const rotate = python`
  def rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
      """x [B, T, H, Dh]: channel j turns with j + half; what is behind both halves stays."""
      cos, sin = (table.to(x.dtype) for table in rotary)
      half = cos.shape[-1]
      first, second, rest = x.split((half, half, x.shape[-1] - 2 * half), -1)
      return torch.cat((first * cos - second * sin, second * cos + first * sin, rest), -1)
`;

export const relativeBias = python`
  def relative_bias(q: Tensor, table: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
      """Learned scores by distance, [B, H, T, S], of q [B, H, T, Dh] and table [H, Dh, distances]"""
      reach = table.shape[-1] // 2
      scores = q.shape[-1] ** -0.25 * q @ table  # [B, H, T, distances]
      place = distance.clamp(1 - reach, reach - 1) + reach  # [T, S]
      bias = scores.gather(-1, place.expand(*scores.shape[:2], -1, -1))
      return bias.masked_fill(~mask, -torch.inf)
`;
