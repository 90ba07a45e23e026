/** Programs of fused launches as WGSL: each line of a program is a statement, each term an expression. */
import type { Address, Lanes, Line, Reduction, Row, RowStep, Term } from "../ir/launch.ts";
import { wgsl } from "../kernels/text.ts";
import { exprWgsl, literal } from "./expr.ts";

export const linesWgsl = (lines: readonly Line[]): string => lines.map(lineWgsl).join("\n");

function lineWgsl(line: Line): string {
  switch (line.do) {
    case "let": return `let ${line.name} = ${termWgsl(line.value)};`;
    case "row": return `let ${line.name} = ${rowWgsl(line.step, nameOf(line.of))};`;
    case "accumulate": return accumulateWgsl(line.how, line.into, termWgsl(line.value));
    case "store": return storeWgsl(line);
    case "sumSlots": return sumSlotsWgsl(line);
  }
}

const accumulateWgsl = (how: Reduction, into: string, value: string): string =>
  (how === "sum" ? `${into} += ${value};` : `${into} = max(${into}, ${value});`);

/** The terms [slots] of a row, in order of slots. */
const sumSlotsWgsl = ({ sum, slot, slots, row, of, lanes, lines, term }: Extract<Line, { do: "sumSlots" }>): string => wgsl`
  var ${sum} = ${lanes}();
  for (var ${slot} = 0u; ${slot} < sizes.${slots}; ${slot}++) {
    let ${row} = ${nameOf(of)} * sizes.${slots} + ${slot};
    ${linesWgsl(lines)}
    ${sum} += ${termWgsl(term)};
  }
`;

function storeWgsl({ operand, at, value, add, alone }: Extract<Line, { do: "store" }>): string {
  const place = `${operand}[${at === "own" ? "at" : addressWgsl(at)}]`;
  const text = alone ? `vec4f(${termWgsl(value)}, 0.0, 0.0, 0.0)` : termWgsl(value);
  return `${place} = ${add ? `${place} + ` : ""}${text};`;
}

const nameOf = (row: Row): string => row ?? "0u";

function rowWgsl({ kind, sizes }: RowStep, row: string): string {
  const [a, b, c] = sizes.map((name) => `sizes.${name}`);
  switch (kind) {
    case "div": return `${row} / ${a}`;
    case "mod": return `${row} % ${a}`;
    case "divMod": return `(${row} / ${a}) % ${b}`;
    case "skip": return `(${row} / ${a}) * ${b} + ${row} % ${c}`;
  }
}

function addressWgsl(at: Address): string {
  if (at.kind === "row") return at.stride === 1 ? nameOf(at.row) : `${nameOf(at.row)} * ${at.stride}u`;
  return at.row === null ? "column" : `${at.row} * sizes.${at.columns} + column`;
}

function termWgsl(term: Term): string {
  switch (term.op) {
    case "register": return term.name;
    case "load": return loadWgsl(term);
    case "map": return exprWgsl(term.expr, term.inputs.map(termWgsl), term.column ? columnIndex(term.lanes) : "0.0", term.lanes);
    case "spread": return `vec4f(${termWgsl(term.of)})`;
    case "masked": return maskedWgsl(term);
  }
}

function loadWgsl({ operand, element, at }: Extract<Term, { op: "load" }>): string {
  const text = `${operand}[${addressWgsl(at)}]`;
  return element === "u32" ? `f32(${text})` : text;
}

const columnIndex = (lanes: Lanes): string => (lanes === "f32" ? "f32(column)" : "(f32(4u * column) + vec4f(0.0, 1.0, 2.0, 3.0))");

function maskedWgsl({ of, outside, lanes, columns }: Extract<Term, { op: "masked" }>): string {
  if (lanes === "f32") return `select(${literal(outside)}, ${termWgsl(of)}, column < sizes.${columns})`;
  return `select(vec4f(${literal(outside)}), ${termWgsl(of)}, (vec4u(4u * column) + vec4u(0u, 1u, 2u, 3u)) < vec4u(sizes.${columns}))`;
}

/** Functions that a text calls beside WGSL's own. */
export const helpersFor = (text: string): string =>
  (["f32", "vec4f"] as const).filter((lanes) => text.includes(`erf_${lanes}(`)).map(erfWgsl).join("\n");

/** Abramowitz and Stegun 7.1.26 has 1.5e-7 absolute error: f32 accuracy, without branches. */
const erfWgsl = (lanes: Lanes): string => wgsl`
  fn erf_${lanes}(x: ${lanes}) -> ${lanes} {
    let t = ${lanes}(1.0) / (${lanes}(1.0) + 0.3275911 * abs(x));
    let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return sign(x) * (${lanes}(1.0) - tail * exp(-x * x));
  }
`;
