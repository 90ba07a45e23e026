/** How the variants use their experts: numbers over seeds, and the loads of the first run as pictures. */
import type { CompareResults, RouterUse, VariantResult } from "../compare/results.ts";
import { deviation, mean } from "../statistics/describe.ts";
import { nameCell } from "./cells.ts";
import { loadMap } from "./load-map.ts";
import { escape, folded, htmlTable } from "./page.ts";

const HEAD = [
  "variant", "router", "usage perplexity", "dead experts<small>of each seed</small>",
  "load moved between passes<small>nats, at most 0.693</small>",
];

/** Nothing where no variant has experts whose choices were counted. */
export function routingSection(results: CompareResults): readonly string[] {
  const variants = results.variants.filter(({ routing }) => routing.length > 0);
  if (variants.length === 0) return [];
  const rows = variants.flatMap((variant) => variant.routing.map((use) => [nameCell(results, variant), escape(use.router), ...cells(use)]));
  return [htmlTable([HEAD, ...rows]), `<p>${ABOUT}</p>`, ...variants.map(pictures)];
}

const ABOUT = "Counted in training, over its last logged steps. Usage perplexity: so many experts, used evenly, would have the same "
  + "entropy of load. Dead experts were chosen by no token in any pass. Load moved: the Jensen–Shannon divergence between the loads of a "
  + "pass and the next. <code>moeut analyze</code> says more of a run, on held-out text.";

function cells({ experts, runs }: RouterUse): readonly string[] {
  const moved = runs.flatMap(({ moved: each }) => each ?? []);
  return [
    `${over(runs.map(({ perplexity }) => perplexity), 1)}<small>of ${experts}</small>`, runs.map(({ dead }) => dead.length).join(", "),
    moved.length === 0 ? "–" : over(moved, 4),
  ];
}

/** Mean and standard deviation over seeds. */
function over(values: readonly number[], digits: number): string {
  const sd = deviation(values);
  return `${mean(values).toFixed(digits)}${sd === null ? "" : ` ± ${sd.toFixed(digits)}`}`;
}

const pictures = ({ name, routing }: VariantResult): string => folded(
  `Experts by pass: ${name}, seed ${routing[0]!.runs[0]!.seed}`,
  routing.map(({ router, passes }) => `<h3>${escape(router)}</h3>${loadMap(`${router} of ${name}`, passes)}`).join(""),
);
