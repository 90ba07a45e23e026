/** What several tables of a report show. */
import type { CompareResults, Difference, VariantResult } from "../compare/results.ts";
import { seriesColor } from "./plot.ts";
import { escape } from "./page.ts";
import { isClear } from "./words.ts";

export const nameCell = ({ variants, baseline }: CompareResults, variant: VariantResult): string =>
  `<span class="dot" style="background:${seriesColor(variants.indexOf(variant))}"></span>${escape(variant.name)}`
  + (variant.name === baseline ? "<small>baseline</small>" : "");

/** The class of a difference: only what holds over seeds is coloured. */
export const tone = (d: Difference): string => (!isClear(d) ? "" : d.mean < 0 ? ' class="good"' : ' class="bad"');
