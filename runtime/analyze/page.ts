/** analysis.html: an analysis as one file that needs nothing else. */
import { heatMap } from "../report/heat-map.ts";
import { escape, figure, folded, htmlTable, page } from "../report/page.ts";
import type { Analysis, Example, RouterAnalysis } from "./index.ts";
import { shares } from "./statistics.ts";
import { NOTES, PASS_HEAD, passRows, ROUTER_HEAD, routerRow, STATE_HEAD, stateRows } from "./words.ts";

/** @param about the run and the text, in sentences */
export function renderAnalysis(title: string, about: string, analysis: Analysis): string {
  const cells = (rows: readonly (readonly string[])[]): readonly (readonly string[])[] => rows.map((row) => row.map(escape));
  return page(title, [
    `<h1>${escape(title)}</h1><p class="about">${escape(about)}</p>`,
    htmlTable([ROUTER_HEAD, ...cells(analysis.routers.map(routerRow))]),
    `<ul class="method">${NOTES.map(([word, meaning]) => `<li>${escape(`${word}: ${meaning}`)}</li>`).join("")}</ul>`,
    "<h2>By depth</h2>", htmlTable([PASS_HEAD, ...cells(passRows(analysis))]),
    "<h2>Residual stream</h2>", htmlTable([STATE_HEAD, ...cells(stateRows(analysis))]),
    ...analysis.routers.flatMap(routerSection),
    "<footer>All numbers are in analysis.json beside this file.</footer>",
  ]);
}

const routerSection = (router: RouterAnalysis): readonly string[] => [
  `<h2>${escape(router.router)}</h2>`, useByPass(router), tokenTypes(router), coactivations(router), examples(router),
];

/** Experts that are used early stand above those that are used late. */
function useByPass(router: RouterAnalysis): string {
  const loads = router.passes.map((pass) => shares(pass.counts));
  const values = router.by_centroid.map((expert) => loads.map((load) => load[expert]!));
  const most = loads.map((load, i) => {
    const greatest = Math.max(...load);
    return `in pass ${i + 1} expert ${load.indexOf(greatest)} (${(100 * greatest).toFixed(1)} %)`;
  });
  return figure(heatMap({
    description: `Heat map of expert by pass for ${router.router}. Chosen most often: ${most.join(", ")}.`,
    rowName: "expert", columnName: "pass", rows: router.by_centroid.map(String), columns: loads.map((_, i) => `${i + 1}`), values,
  }), "Share of each pass's choices that fell on each expert, those first that are chosen in early passes.");
}

function tokenTypes({ distinct_experts: { tokens, types, least } }: RouterAnalysis): string {
  const rows = tokens.map(({ text, count, distinct }) => [visible(text), `${count}`, `${distinct}`]);
  const about = `<p>${types} types occur at least ${least} times; these are the most frequent ones.</p>`;
  return folded("Different experts that a token type chose", about + htmlTable([["token", "occurrences", "experts"], ...rows]));
}

function coactivations({ coactivation }: RouterAnalysis): string {
  if (coactivation.length === 0) return "";
  const rows = coactivation.map(({ experts: [a, b], together, lift }) => [`${a} and ${b}`, `${together}`, lift.toFixed(2)]);
  return folded("Experts that are chosen together", "<p>Lift: how often, over what it would be if a token chose each by itself.</p>"
    + htmlTable([["experts", "times", "lift"], ...rows]));
}

function examples(router: RouterAnalysis): string {
  const chosen = [...router.examples].filter(({ tokens }) => tokens.length > 0);
  const rows = chosen.map((example) => [`${example.expert}`, leaning(example), example.contexts.map(({ before, token, after }) =>
    `<code>${visible(before)}<mark>${visible(token)}</mark>${visible(after)}</code>`).join("<br>")]);
  return folded("Tokens that lean to each expert, and where they stand",
    htmlTable([["expert", "tokens<small>times more often than overall</small>", "examples"], ...rows]));
}

const leaning = ({ tokens }: Example): string =>
  tokens.map(({ text, lift }) => `<code>${visible(text)}</code> ${lift.toFixed(1)}`).join(", ");

/** Blanks and line ends as signs: they are tokens too. */
const visible = (text: string): string => escape(text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥"));
