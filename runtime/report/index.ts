/** report.html of a comparison. */
import type { CompareResults, Difference, StepSeconds, VariantResult } from "../compare/results.ts";
import { caveats, findings } from "./conclusion.ts";
import { pairTable } from "./pairs.ts";
import { computeChart, trainingChart, validationChart } from "./charts.ts";
import { differenceChart } from "./difference-chart.ts";
import { nameCell, tone } from "./cells.ts";
import { escape, figure, htmlTable, page } from "./page.ts";
import { bytes, grouped, short, time } from "../units.ts";
import { interval, loss, outcomeText, ratioText, signed } from "./words.ts";

export function renderReport(results: CompareResults): string {
  return page(results.title, [
    header(results),
    `<div class="verdicts">${paragraphs(findings(results))}<div class="caveats">${paragraphs(caveats(results))}</div></div>`,
    resultTable(results),
    "<h2>Loss</h2>", ...lossFigures(results),
    "<h2>Cost</h2>", costTable(results),
    "<h2>Samples</h2>", ...samples(results),
    "<h2>Specs</h2>", ...specs(results),
    "<h2>Method</h2>", `<ul class="method">${results.method.map((line) => `<li>${escape(line)}</li>`).join("")}</ul>`,
    footer(results),
  ]);
}

const footer = ({ versions, adapter }: CompareResults): string =>
  `<footer>moeut ${escape(versions.moeut)} on Node ${escape(versions.node)}, ${escape(adapter.name)}. `
  + "All numbers are in results.json beside this file, and in table.csv, table.md and table.tex.</footer>";

const paragraphs = (sentences: readonly string[]): string => sentences.map((sentence) => `<p>${escape(sentence)}</p>`).join("");

function header({ title, data, budget, seeds, validation_sequences: sequences, variants }: CompareResults): string {
  const runs = `${variants.length} variants, ${seeds.length === 1 ? "one seed" : `${seeds.length} seeds`} each`;
  const trained = `${grouped(budget.steps)} steps of ${budget.batch} × ${budget.seq_len} tokens (${short(budget.tokens)} in all)`;
  const measured = `final loss on ${grouped(sequences * budget.seq_len)} held-out tokens`;
  return `<h1>${escape(title)}</h1><p class="about">${runs}; ${trained} of ${escape(data.source.join(" "))}; ${measured}.</p>`;
}

function resultTable(results: CompareResults): string {
  const head = [
    "variant", "final loss<small>nats per token</small>", "perplexity", "bits per byte",
    `against ${escape(results.baseline)}<small>95 % intervals</small>`, "parameters<small>active per token</small>",
  ];
  const rows = results.variants.map((v) => [
    nameCell(results, v), lossCell(v),
    v.perplexity === null ? "–" : v.perplexity.toFixed(3), v.bits_per_byte === null ? "–" : loss(v.bits_per_byte), differenceCell(v),
    `${short(v.parameters.unique)}<small>${short(v.parameters.active)}</small>`,
  ]);
  return htmlTable([head, ...rows]);
}

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

function lossFigures(results: CompareResults): readonly string[] {
  const band = results.seeds.length > 1 ? " Lines are means, bands reach from the least to the greatest of the seeds." : "";
  const has = (which: "validation_loss"): boolean =>
    results.variants.some((v) => v.runs.some((run) => run.curve.filter((p) => p[which] !== null).length > 1));
  return [
    ...(has("validation_loss") ? [figure(validationChart(results), `Held-out loss during training.${band}`)] : []),
    figure(trainingChart(results), `Training loss (cross-entropy alone, averaged over neighbouring steps).${band}`),
    ...(has("validation_loss") ? [figure(computeChart(results), EQUAL_COMPUTE)] : []),
    ...(results.variants.some((v) => v.difference !== null) ? [figure(differenceChart(results), differenceCaption(results))] : []),
    ...(results.seeds.length > 1 && results.variants.some((v) => v.difference !== null) ? [seedTable(results)] : []),
    ...(results.variants.length > 2 ? ["<h2>Every two variants</h2>", pairTable(results)] : []),
  ];
}

const EQUAL_COMPUTE = "Held-out loss against the multiplications spent: the comparison at equal compute. "
  + "Curves that end further left did less work per step.";

const differenceCaption = ({ baseline }: CompareResults): string =>
  `Final differences from ${escape(baseline)}: square and bar are the mean and its 95 % interval over seeds, dots the single seeds; `
  + "the thin grey bar is the 95 % interval over the text, which says nothing of other seeds.";

function seedTable(results: CompareResults): string {
  const compared = results.variants.filter((v) => v.difference !== null);
  const head = [`against ${escape(results.baseline)}, seed`, ...results.seeds.map(String), "95 % over seeds"];
  const cell = (d: Difference, seed: number): string => {
    const found = d.per_seed.find((s) => s.seed === seed);
    return found === undefined ? "–" : signed(found.difference);
  };
  const over = ({ seed_interval: found }: Difference): string => (found === null ? "needs two seeds" : interval(found));
  return htmlTable([
    head, ...compared.map((v) => [nameCell(results, v), ...results.seeds.map((seed) => cell(v.difference!, seed)), over(v.difference!)]),
  ]);
}

function costTable(results: CompareResults): string {
  const head = [
    "variant", "parameters", "active per token", "MACs per token<small>everything</small>",
    "MACs per token<small>as in the MoEUT paper</small>", "step", "memory",
  ];
  return htmlTable([head, ...results.variants.map((v) => [
    nameCell(results, v), ...[v.parameters.unique, v.parameters.active, v.macs_per_token.full, v.macs_per_token.moeut].map(grouped),
    v.step_seconds === null ? "–" : stepCell(v.step_seconds, v.name === results.baseline),
    v.memory_bytes === null ? "–" : bytes(v.memory_bytes),
  ])]);
}

function stepCell({ median, spread, ratio, ratio_spread: around, measured }: StepSeconds, isBaseline: boolean): string {
  const against = ratio === null || around === null || isBaseline ? "" : `<small>× ${ratioText(ratio, around)}</small>`;
  const note = measured === "in turn" ? against : `<small>${measured}</small>`;
  return `${time(median)}<small>${time(spread.low)} to ${time(spread.high)}</small>${note}`;
}

function samples(results: CompareResults): readonly string[] {
  const taken = results.variants.flatMap((v) => (v.sample === null ? [] : [{ name: nameCell(results, v), ...v.sample }]));
  if (taken.length === 0) return ["<p>None were taken.</p>"];
  return taken.map(({ name, prompt, text }) =>
    `<div class="sample"><h3>${name}</h3><pre><span class="prompt">${escape(prompt)}</span>${escape(text)}</pre></div>`);
}

function specs(results: CompareResults): readonly string[] {
  return results.variants.map((v) => {
    const title = `<h3>${nameCell(results, v)}</h3>`;
    const full = `<pre class="spec">${escape(v.spec)}</pre>`;
    if (v.spec_diff === null) return `${title}${full}`;
    const changes = `<p>What differs from ${escape(results.baseline)}:</p><pre class="spec">${diff(v.spec_diff)}</pre>`;
    return `${title}${changes}<details><summary>the whole spec</summary>${full}</details>`;
  });
}

/** Changed lines with two lines around them. */
function diff(text: string): string {
  const lines = text.split("\n");
  const isChange = (line: string | undefined): boolean => line !== undefined && !line.startsWith(" ") && line !== "";
  const near = (i: number): boolean => [-2, -1, 0, 1, 2].some((d) => isChange(lines[i + d]));
  const shown = lines.flatMap((line, i) => (near(i) ? [line] : near(i - 1) ? ["  …"] : []));
  const kind = (line: string): string => (line.startsWith("+") ? " added" : line.startsWith("-") ? " removed" : "");
  return shown.map((line) => `<span class="line${kind(line)}">${escape(line)}</span>`).join("");
}
