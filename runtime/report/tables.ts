/** The numbers of a comparison for other programs: as one prints them in table.md and table.tex; with all digits in table.csv. */
import type { CompareResults, VariantResult, VariantScore } from "../compare/results.ts";
import { short } from "../units.ts";
import { csv } from "./csv.ts";
import { timeCell, timeHead } from "./spent.ts";
import { finalTasks, shareText } from "./task-words.ts";
import { interval, loss, outcomeText, pText, signed } from "./words.ts";

/** By file name. */
export const tablesOf = (results: CompareResults): Readonly<Record<string, string>> =>
  ({ "table.csv": csv(results), "table.md": markdown(results), "table.tex": latex(results) });

/** Rounded, first row the head; texts as they are. */
function printed(results: CompareResults): readonly (readonly string[])[] {
  const { variants, baseline, tuning } = results;
  const tasks = finalTasks(results);
  const against = [`against ${baseline}`, "95 % over seeds", "paired t test", "verdict"];
  const measured = tasks.map(({ task, metric }) => `${task} ${metric}`);
  const had = [...timeHead(results), ...(tuning === null ? [] : ["lr"])];
  const head = ["variant", "loss", ...against, "parameters", "active", "MACs per token", ...had, ...measured];
  const costs = ({ parameters, macs_per_token: macs }: VariantResult): readonly string[] =>
    [parameters.unique, parameters.active, macs.full].map(short);
  const given = (v: VariantResult): readonly string[] =>
    [...timeCell(results, v), ...(tuning === null ? [] : [String(v.recipe.optimizer.lr)])];
  const scores = (i: number): readonly string[] => tasks.map((task) => scoreText(task.variants[i]!));
  return [head, ...variants.map((v, i) => [v.name, lossText(v), ...differenceCells(v), ...costs(v), ...given(v), ...scores(i)])];
}

/** "0.6512 ± 0.0031, better" */
export function scoreText({ value, sd, difference: d }: VariantScore): string {
  if (value === null) return "none";
  const verdict = d === null ? "" : outcomeText(d);
  return `${shareText(value)}${sd === null ? "" : ` ± ${shareText(sd)}`}${verdict === "" ? "" : `, ${verdict}`}`;
}

function lossText({ validation_loss: found }: VariantResult): string {
  if (found === null) return "none";
  return found.sd === null ? loss(found.mean) : `${loss(found.mean)} ± ${loss(found.sd)}`;
}

function differenceCells({ difference: d }: VariantResult): readonly string[] {
  if (d === null) return ["", "", "", ""];
  const over = d.seed_interval === null ? "one seed" : interval(d.seed_interval);
  return [signed(d.mean), over, d.p === null ? "" : pText(d.p), outcomeText(d)];
}

function markdown(results: CompareResults): string {
  const [head, ...rows] = printed(results).map((row) => row.map((cell) => cell.replace(/[\\|*_`<[\]]/g, "\\$&")));
  const rule = head!.map((_, i) => (isText(i) ? "---" : "---:"));
  return [head!, rule, ...rows].map((row) => `| ${row.join(" | ")} |\n`).join("");
}

/** What the table needs, and how it fits into a page, which it is wider than. */
const TEX_HEAD = "% needs \\usepackage{booktabs}; where names have letters of other scripts, also XeLaTeX or LuaLaTeX\n"
  + "% as wide as the text (graphicx): \\noindent\\resizebox{\\linewidth}{!}{\\input{table.tex}}\n";

/** For \input. */
function latex(results: CompareResults): string {
  const [head, ...rows] = printed(results).map((row) => `${row.map(texText).join(" & ")} \\\\\n`);
  const columns = printed(results)[0]!.map((_, i) => (isText(i) ? "l" : "r")).join("");
  return [TEX_HEAD, `\\begin{tabular}{${columns}}\n\\toprule\n`, head, "\\midrule\n", ...rows, "\\bottomrule\n\\end{tabular}\n"].join("");
}

/** Columns of words. */
const isText = (column: number): boolean => column === 0 || column === 5;

/** Brackets and stars too: behind a row they would belong to the \\ in front. */
const TEX: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "|": "\\textbar{}", "±": "$\\pm$", "−": "$-$",
  "<": "$<$", ">": "$>$", "[": "{[}", "]": "{]}", "*": "{*}", "-": "-{}", // one dash of several, which would become a longer one
};

const texText = (text: string): string => text.replace(/[\\~^|±−<>[\]*&%$#_{}]|-(?=-)/g, (found) => TEX[found] ?? `\\${found}`);
