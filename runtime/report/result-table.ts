/** The table that a comparison comes down to. */
import type { CompareResults, VariantResult } from "../compare/results.ts";
import { nameCell, tone } from "./cells.ts";
import { escape, htmlTable } from "./page.ts";
import { short } from "../units.ts";
import { interval, loss, outcomeText, signed } from "./words.ts";

export function resultTable(results: CompareResults): string {
  const head = [
    "variant", "final loss<small>nats per token</small>", "perplexity", "bits per byte",
    `against ${escape(results.baseline)}<small>95 % intervals</small>`, "parameters<small>active per token</small>",
  ];
  const rows = results.variants.map((v) => [
    nameCell(results, v) + settingsNote(v), lossCell(v), v.perplexity === null ? "–" : v.perplexity.toFixed(3),
    v.bits_per_byte === null ? "–" : loss(v.bits_per_byte), differenceCell(v),
    `${short(v.parameters.unique)}<small>${short(v.parameters.active)}</small>`,
  ]);
  return htmlTable([head, ...rows]);
}

/** What the names of a grid's variants leave out: of which field a value is. */
const settingsNote = ({ settings = {} }: VariantResult): string =>
  Object.entries(settings).map(([path, value]) => `<small>${escape(`${path} ${value}`)}</small>`).join("");

function lossCell({ validation_loss: found, runs }: VariantResult): string {
  const diverged = runs.filter((run) => run.diverged !== null).length;
  const failed = runs.filter((run) => run.failed !== null).length;
  const noteOf = (runs: number, what: string): string => (runs === 0 ? "" : `<small class="bad">${runs} ${what}</small>`);
  const note = noteOf(diverged, "diverged") + noteOf(failed, "failed");
  if (found === null) return `–${note}`;
  return `${loss(found.mean)}${found.sd === null ? "" : `<small>± ${loss(found.sd)} over seeds</small>`}${note}`;
}

function differenceCell({ difference: d }: VariantResult): string {
  if (d === null) return "–";
  const seeds = d.seed_interval === null ? "one seed" : `${outcomeText(d)}</small><small>${interval(d.seed_interval)} over seeds`;
  const text = d.text_interval === null ? "" : `<small>${interval(d.text_interval)} over the text</small>`;
  const both = d.joint_interval === null ? "" : `<small>${interval(d.joint_interval)} over both</small>`;
  return `<span${tone(d)}>${signed(d.mean)}</span><small>${seeds}</small>${text}${both}`;
}
