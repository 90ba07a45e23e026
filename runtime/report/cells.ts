/** What several tables of a report show. */
import type { CompareResults, Difference, VariantResult } from "../compare/results.ts";
import { seriesColor } from "./plot.ts";
import { escape } from "./page.ts";
import { isClear } from "./words.ts";

/** The name with the variant's colour. */
export const key = ({ variants }: CompareResults, variant: VariantResult): string =>
  `<span class="dot" style="background:${seriesColor(variants.indexOf(variant))}"></span>${escape(variant.name)}`;

export const nameCell = (results: CompareResults, variant: VariantResult): string =>
  key(results, variant) + (variant.name === results.baseline ? "<small>baseline</small>" : "");

/** The class of a difference: only what holds over seeds is coloured. */
export const tone = (d: Difference): string => (!isClear(d) ? "" : d.outcome === "better" ? ' class="good"' : ' class="bad"');
