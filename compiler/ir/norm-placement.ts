/** Placements of a layer's norms by name: the words of `norm … at`, and what is written `norm … on`. */
import type { NormPlacement, NormPreset } from "./model-spec.ts";
import { NORM_READERS } from "./model-spec.ts";

export const PRESETS: Readonly<Record<NormPreset, NormPlacement>> = {
  peri: { stands: "before", readers: ["q", "k"] },
  pre: { stands: "before", readers: NORM_READERS },
  post: { stands: "after", readers: [] },
  sandwich: { stands: "around", readers: NORM_READERS },
};

/** The name of a placement, or null where it has none. */
export const presetOf = ({ stands, readers }: NormPlacement): NormPreset | null =>
  (Object.keys(PRESETS) as NormPreset[])
    .find((name) => PRESETS[name].stands === stands && `${PRESETS[name].readers}` === `${readers}`) ?? null;

/** "at peri", "on v, feed_forward" */
export function placementText(placement: NormPlacement): string {
  const preset = presetOf(placement);
  return preset === null ? `on ${placement.readers.join(", ")}` : `at ${preset}`;
}
