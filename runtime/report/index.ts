/** report.html of a comparison. */
import type { CompareResults } from "../compare/results.ts";
import { aboutText } from "./about.ts";
import { nameCell } from "./cells.ts";
import { caveats, findings } from "./conclusion.ts";
import { costTable } from "./costs.ts";
import { depthSection } from "./depths.ts";
import { lossFigures, pairedDifferences } from "./losses.ts";
import { escape, page } from "./page.ts";
import { pairTable } from "./pairs.ts";
import { paretoSection } from "./pareto.ts";
import { recurrenceSection } from "./recurrence.ts";
import { reproduction } from "./reproduction.ts";
import { resultTable } from "./result-table.ts";
import { routingSection } from "./routing.ts";
import { specs } from "./specs.ts";
import { taskSection } from "./tasks.ts";
import { tuneSection } from "./tune.ts";

/** A part of a report under a heading of its own, as HTML; without any, it is left out. */
interface Section {
  readonly title: string;
  readonly of: (results: CompareResults) => readonly string[];
}

/** In the order of the page, below the abstract and the table of results. */
const SECTIONS: readonly Section[] = [
  { title: "Loss", of: lossFigures },
  { title: "Differences", of: pairedDifferences },
  { title: "Every two variants", of: (results) => (results.variants.length > 2 ? [pairTable(results)] : []) },
  { title: "Tasks", of: taskSection },
  { title: "Learning rates", of: tuneSection },
  { title: "Cost", of: (results) => [costTable(results)] },
  { title: "Loss against cost", of: paretoSection },
  { title: "Depth", of: depthSection },
  { title: "What a pass is worth", of: recurrenceSection },
  { title: "Experts", of: routingSection },
  { title: "Samples", of: samples },
  { title: "Specs", of: specs },
  { title: "Method", of: ({ method }) => [`<ul class="method">${method.map((line) => `<li>${escape(line)}</li>`).join("")}</ul>`] },
  { title: "Environment and commands", of: reproduction },
];

export function renderReport(results: CompareResults): string {
  const sections = SECTIONS.map(({ title, of }) => ({ title, body: of(results) })).filter(({ body }) => body.length > 0);
  return page(results.title, [
    header(results), abstract(results), resultTable(results),
    ...sections.flatMap(({ title, body }) => [`<h2>${title}</h2>`, ...body]),
    footer(results),
  ]);
}

const abstract = (results: CompareResults): string =>
  `<div class="verdicts">${paragraphs(findings(results))}<div class="caveats">${paragraphs(caveats(results))}</div></div>`;

const paragraphs = (sentences: readonly string[]): string => sentences.map((sentence) => `<p>${escape(sentence)}</p>`).join("");

const header = (results: CompareResults): string =>
  `<h1>${escape(results.title)}</h1><p class="about">${escape(aboutText(results))}</p>`;

function footer({ versions, adapter }: CompareResults): string {
  const where = escape(`moeut ${versions.moeut} on Node ${versions.node}, ${adapter.name}`);
  return `<footer>${where}. All numbers are in results.json beside this file, and in table.csv, table.md and table.tex.</footer>`;
}

function samples(results: CompareResults): readonly string[] {
  const taken = results.variants.filter((v) => v.sample !== null);
  if (taken.length === 0) return ["<p>None were taken.</p>"];
  return taken.map((v) => `<div class="sample"><h3>${nameCell(results, v)}</h3>`
    + `<pre><span class="prompt">${escape(v.sample!.prompt)}</span>${escape(v.sample!.text)}</pre></div>`);
}
