/**
 * Launches as 5-plan decided them: for each its work, the program of what is fused into it, and why each value that it leaves in storage
 * is stored.
 *
 *   3  matmul nt  a.attention.q  4 × 64 tiles
 *        binds b9 b7
 *        x0 = b12 [rows, 1]
 *        v1 = value * x0[row]
 *        y0[own] = v1
 *        stores a.attention.q.scaled: rope reads it
 */
import type { Address, LaunchPlan, Line, Operand, PlannedLaunch, Row, RowStep, Term, Work } from "../ir/launch.ts";
import { exprText } from "./expr.ts";

export function listFusion(plan: LaunchPlan): string {
  const entries = Object.entries(plan.entries).map(([name, launches]) =>
    `entry ${name}: ${launches.length} launches\n${launches.map(launchText).join("")}`);
  return `fusion of ${plan.model}, ${plan.profile.name} kernels\n\n${entries.join("\n")}`;
}

function launchText(launch: PlannedLaunch, index: number): string {
  const { work, label, grid, stores } = launch;
  const { operands, lines } = programOf(work);
  const nOwn = launch.buffers.length - operands.length; // what is not the program's comes in front: the operands of a contraction
  const own = launch.buffers.slice(0, nOwn).map((buffer) => ` b${buffer}`).join("");
  const stored = new Set(stores.map(({ name, why }) => `stores ${name}: ${why}`)); // several results may have one name
  return [
    `${index}  ${workText(work)}  ${label.replace(`${work.kind} `, "")}  ${grid.join(" × ")} tiles`,
    ...indented([
      ...(own === "" ? [] : [`binds${own}`]),
      ...operands.map(({ name, note }, i) => `${name} = b${launch.buffers[nOwn + i]!} ${noteText(note)}`),
      ...lines, ...stored,
    ], 5),
    "",
  ].join("\n");
}

/** Without the name that a contraction's result has in its kernel: "c [rows, columns]". */
const noteText = (note: string): string => note.replace(/^\w+ (?=\[)/, "");

/** Words of a work's kind, and what tells it from others of the kind. */
function workText({ kind, ...rest }: Work): string {
  const words = kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return [words, ...Object.values(rest).filter((value) => typeof value === "string")].join(" ");
}

interface Listed {
  readonly operands: readonly Operand[];
  readonly lines: readonly string[];
}

function programOf(work: Work): Listed {
  switch (work.kind) {
    case "matmul": case "expertMatmul": case "gatherRows": return {
      operands: work.epilogue.operands, lines: linesText(work.epilogue.lines),
    };
    case "pointwise": return { operands: work.program.operands, lines: linesText(work.program.lines) };
    case "rows": {
      const { operands, loops, after, stores } = work.program;
      const looped = loops.flatMap(({ before, reductions, inside }) => [
        ...linesText(before), "for each column", ...indented(linesText(inside)),
        ...reductions.map(({ how, accumulator, result }) => `${result} = ${how} of ${accumulator}`),
      ]);
      return { operands, lines: [...looped, ...linesText(after), ...linesText(stores)] };
    }
    case "columnSums": {
      const { operands, inside, sums } = work.program;
      const stored = sums.map(({ accumulator, operand }) => `${operand}[chunk] = ${accumulator}`);
      return { operands, lines: ["for each row of a chunk", ...indented(linesText(inside)), ...stored] };
    }
    default: return { operands: [], lines: [] };
  }
}

const indented = (lines: readonly string[], by = 2): readonly string[] => lines.map((line) => `${" ".repeat(by)}${line}`);
const linesText = (lines: readonly Line[]): readonly string[] => lines.flatMap(lineText);

function lineText(line: Line): readonly string[] {
  switch (line.do) {
    case "let": return [`${line.name} = ${termText(line.value)}`];
    case "row": return [`${line.name} = ${stepText(line.step, rowText(line.of))}`];
    case "accumulate": {
      const value = termText(line.value);
      return [line.how === "sum" ? `${line.into} += ${value}` : `${line.into} = max(${line.into}, ${value})`];
    }
    case "store": {
      const at = line.at === "own" ? "own" : addressText(line.at);
      return [`${line.operand}[${at}] ${line.add ? "+=" : "="} ${termText(line.value)}`];
    }
    case "sumSlots": return [
      `for each ${line.slot} < ${line.slots}, ${line.row} = ${rowText(line.of)} * ${line.slots} + ${line.slot}`,
      ...indented([...linesText(line.lines), `${line.sum} += ${termText(line.term)}`]),
    ];
  }
}

function stepText({ kind, sizes: [a, b, c] }: RowStep, row: string): string {
  switch (kind) {
    case "div": return `${row} / ${a}`;
    case "mod": return `${row} % ${a}`;
    case "divMod": return `${row} / ${a} % ${b}`;
    case "skip": return `${row} / ${a} * ${b} + ${row} % ${c}`;
  }
}

const rowText = (row: Row): string => row ?? "0";
const addressText = (at: Address): string => (at.kind === "row" ? rowText(at.row) : `${rowText(at.row)}, column`);

function termText(term: Term): string {
  switch (term.op) {
    case "register": return term.name;
    case "load": return `${term.operand}[${addressText(term.at)}]`;
    case "map": return exprText(term.expr, term.inputs.map(termText));
    case "spread": return termText(term.of);
    case "masked": return `inside ${term.columns} columns ${termText(term.of)} else ${term.outside}`;
  }
}
