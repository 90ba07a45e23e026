/** analysis.html: an analysis as one file that needs nothing else. */
import { heatMap } from "../report/heat-map.ts";
import { loadMap } from "../report/load-map.ts";
import { escape, figure, folded, htmlTable, page } from "../report/page.ts";
import { signed } from "../report/words.ts";
import type { Analysis, Example, RouterAnalysis } from "./index.ts";
import type { RouterRemoval } from "./removal.ts";
import {
  byEffect, effectText, notesOf, PASS_HEAD, passRows, REMOVAL_HEAD, removalRows, ROUTER_HEAD, routerRow, STATE_HEAD, stateRows,
} from "./words.ts";

/** @param about the run and the text, in sentences */
export function renderAnalysis(title: string, about: string, analysis: Analysis): string {
  const hasRouters = analysis.routers.length > 0;
  return page(title, [
    `<h1>${escape(title)}</h1><p class="about">${escape(about)}</p>`,
    ...(hasRouters ? [htmlTable([ROUTER_HEAD, ...cells(analysis.routers.map(routerRow))])] : []),
    folded("What the columns mean", `<ul class="method">${notesOf(analysis).map(note).join("")}</ul>`),
    ...(hasRouters ? ["<h2>By depth</h2>", htmlTable([PASS_HEAD, ...cells(passRows(analysis))])] : []),
    "<h2>Residual stream</h2>", htmlTable([STATE_HEAD, ...cells(stateRows(analysis))]),
    ...(analysis.removal === null ? [] : ["<h2>Without an expert</h2>", htmlTable([REMOVAL_HEAD, ...cells(removalRows(analysis))])]),
    ...analysis.routers.flatMap((router) => routerSection(router, analysis)),
    "<footer>All numbers are in analysis.json beside this file.</footer>",
  ]);
}

/** What stands behind a number in parentheses goes under it. */
const cells = (rows: readonly (readonly string[])[]): readonly (readonly string[])[] =>
  rows.map((row) => row.map((cell) => escape(cell).replace(/ \(([^)]*)\)$/, "<small>$1</small>")));

const note = ([word, meaning]: readonly [string, string]): string => `<li>${escape(`${word}: ${meaning}`)}</li>`;

function routerSection(router: RouterAnalysis, { removal }: Analysis): readonly string[] {
  const removed = removal?.routers.find((each) => each.router === router.router);
  return [
    `<h2>${escape(router.router)}</h2>`, loadMap(router.router, router.passes.map(({ counts }) => counts)), ...passOverlap(router),
    ...(removed === undefined ? [] : [removals(router, removed)]), tokenTypes(router), coactivations(router), examples(router),
  ];
}

/** Of three passes or more: of two, the table says it. */
function passOverlap({ router, jaccard, passes }: RouterAnalysis): readonly string[] {
  if (passes.length < 3) return [];
  const names = passes.map((_, i) => `${i + 1}`);
  const pairs = jaccard.flatMap((row, i) => row.slice(0, i)
    .flatMap((value, j) => (value === null ? [] : [{ value, words: `${j + 1} and ${i + 1}` }])));
  const [most] = [...pairs].sort((a, b) => b.value - a.value);
  return [figure(heatMap({
    description: `Heat map of pass by pass for ${router}: how alike the experts are that a token chooses.`
      + (most === undefined ? "" : ` Most alike are passes ${most.words} (${(100 * most.value).toFixed(1)} %).`),
    rowName: "pass", columnName: "pass", rows: names, columns: names, values: jaccard.map((row) => row.map((value) => value ?? 0)),
  }), "Of the experts that a token chooses in one of two passes, the share that it chooses in both (Jaccard index).")];
}

function removals({ by_centroid: order, passes }: RouterAnalysis, { router, everywhere, passes: effects }: RouterRemoval): string {
  const values = order.map((expert) => effects.map((row) => row[expert]!.loss));
  const [most] = byEffect(everywhere);
  return figure(heatMap({
    description: `Heat map of expert by pass for ${router}: the change of the loss without the expert in that pass. `
      + `Missed most in all passes together is expert ${most} (${effectText(everywhere[most!]!)} nats).`,
    rowName: "expert", columnName: "pass", rows: order.map(String), columns: passes.map((_, i) => `${i + 1}`), values,
    textOf: (value) => `${signed(value)} nats`,
  }), "How much greater the loss is without an expert in one pass; where it is smaller, in the other colour.");
}

function tokenTypes({ distinct_experts: { tokens, types, least } }: RouterAnalysis): string {
  const rows = tokens.map(({ text, count, distinct, by_pass: byPass }) => [visible(text), ...[count, distinct, ...byPass].map(String)]);
  const head = ["token", "occurrences", "experts", ...(tokens[0]?.by_pass ?? []).map((_, i) => `pass ${i + 1}`)];
  const about = `<p>${types} types occur at least ${least} times; these are the most frequent ones.</p>`;
  return folded("Different experts that a token type chose", about + htmlTable([head, ...rows]));
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
