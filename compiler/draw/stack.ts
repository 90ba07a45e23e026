/** The stack: every application as a cell of a ribbon, and the way from tokens to logits with repetitions folded. */
import type { ModelSpec, NormSpec } from "../ir/model-spec.ts";
import { numberText } from "../ir/number-text.ts";
import { baseName, type Cell, cellsOf, type Entrance, type Run, runsOf } from "./fold.ts";
import { arrow, at, box, el, hue, line, middle, type Piece, text } from "./svg.ts";

/** Layers in the order of their first application, copies of one layer under one name. */
export const layerNames = (model: ModelSpec): readonly string[] => [...new Set(model.layers.map((layer) => baseName(layer.name)))];

/** Filled: weights that the cells of this colour share. Outlined: weights of its own. */
function cellBox(x: number, y: number, width: number, height: number, cell: Cell, names: readonly string[]): string {
  const color = hue(names.indexOf(cell.layer));
  return el("rect", {
    x, y, width, height, rx: 4, fill: color, stroke: color, "fill-opacity": cell.own ? 0 : 0.35, "stroke-width": 1.5,
    ...(cell.own ? { "stroke-dasharray": "4 2" } : {}),
  });
}

const RIBBON = { cell: 22, gap: 3, most: 160 };

export function drawRibbon(model: ModelSpec, width: number): Piece {
  const cells = cellsOf(model);
  const names = layerNames(model);
  const step = RIBBON.cell + RIBBON.gap;
  const perRow = Math.floor(width / step);
  const shown = cells.slice(0, RIBBON.most);
  const rows = Math.ceil(shown.length / perRow);
  const drawn = shown.map((cell, i) => {
    const [x, y] = [(i % perRow) * step, Math.floor(i / perRow) * step];
    return cellBox(x, y, RIBBON.cell, RIBBON.cell, cell, names)
      + middle(x + RIBBON.cell / 2, y + 15, cell.layer, RIBBON.cell - 2, { size: 11 });
  });
  const more = cells.length > shown.length ? `; ${cells.length - shown.length} more applications follow` : "";
  const shares = cells.some((cell) => !cell.own);
  const owns = cells.some((cell) => cell.own);
  const legend = [shares ? "same colour: same weights" : "", owns ? "dashed: weights of its own" : ""].filter((s) => s !== "").join(", ");
  const words = `depth ${cells.length}, first applied first; ${legend}${more}`;
  const caption = text(0, rows * step + 12, words, { size: 11, kind: "dim", within: width });
  return { svg: drawn.join("") + caption, width, height: rows * step + 18 };
}

const WIDE = 130;
const TALL = 26;
const STEP = TALL + 14;
/** More cells than this in one pattern are shown as its ends. */
const LONGEST = 12;

/** Left of a stack with a core: the way of what reaches it past the state. */
const RAIL = 18;

interface Row {
  readonly svg: string;
  readonly height: number;
  /** What leads from the row above, 14 high, to this one. */
  readonly lead?: string;
}

const LEAD = arrow([WIDE / 2, -14], [WIDE / 2, 0]);

/** From tokens (top) to logits (bottom). */
export function drawStack(model: ModelSpec): Piece {
  const { vocabSize: V, dModel: D, embedding, head } = model;
  const names = layerNames(model);
  const scaled = embedding.scale === 1 ? "" : ` × ${embedding.scale === Math.sqrt(D) ? "√d" : embedding.scale}`;
  const rows = [
    block(`embedding${scaled}${embedding.learnedPositions ? " + position" : ""}`, "embedding-block"), ...normRow(embedding.norm),
    ...runsOf(model).map((run) => runRow(run, names)),
    ...normRow(head.norm), block(head.tied ? "head (tied)" : "head", "head-block"),
  ];
  let y = 40;
  const drawn = rows.map(({ svg, height, lead = LEAD }) => {
    const placed = at(0, y, lead, svg);
    y += height + 14;
    return placed;
  });
  const ends = middle(WIDE / 2, 20, `one of ${numberText(V)} tokens`, WIDE + 20, { kind: "dim" })
    + arrow([WIDE / 2, y - 14], [WIDE / 2, y]) + text(WIDE / 2, y + 14, "logits", { anchor: "middle", kind: "dim" });
  const left = model.core === null ? 0 : RAIL;
  return { svg: at(left, 0, ends, ...drawn), width: left + WIDE + 70, height: y + 22 };
}

const block = (label: string, kind: string): Row =>
  ({ svg: box(0, 0, WIDE, TALL, kind) + middle(WIDE / 2, 17, label, WIDE - 10), height: TALL });

const normRow = (norm: NormSpec | null): readonly Row[] => (norm === null ? [] : [block(norm.kind, "plain")]);

function runRow({ cells, times, core }: Run, names: readonly string[]): Row {
  if (core !== undefined) return coreRow({ cells, times }, core, names);
  const short = cells.length > LONGEST ? [...cells.slice(0, 5), null, ...cells.slice(-5)] : cells;
  const drawn = short.map((cell, i) => {
    const joint = i === 0 ? "" : arrow([WIDE / 2, i * STEP - 14], [WIDE / 2, i * STEP]);
    if (cell === null) return joint + text(WIDE / 2, i * STEP + 17, `… ${cells.length - 10} more …`, { anchor: "middle", kind: "dim" });
    const label = cell.own ? `${cell.layer}, own weights` : cell.layer;
    return joint + cellBox(0, i * STEP, WIDE, TALL, cell, names) + middle(WIDE / 2, i * STEP + 17, label, WIDE - 10);
  });
  const height = short.length * STEP - 14;
  return { svg: drawn.join("") + bracket(height, times), height };
}

/** The first state stands in front of the passes, and e reaches each of them beside the state. */
function coreRow(run: Run, { state, fromInput, inject, pass }: Entrance, names: readonly string[]): Row {
  const boxes = [state, inject, pass].filter((label) => label !== null);
  const drawn = boxes.map((label, i) => at(0, i * STEP, block(label, "plain").svg, arrow([WIDE / 2, TALL], [WIDE / 2, STEP])));
  const inner = runRow({ cells: run.cells, times: 1 }, names);
  const height = boxes.length * STEP + inner.height;
  const top = state === null ? 0 : STEP;
  const ways = at(0, top, wayBack(height - top, run.times)) + (inject === null ? "" : rail(top + TALL / 2));
  return {
    svg: drawn.join("") + at(0, boxes.length * STEP, inner.svg) + ways, height,
    lead: fromInput ? LEAD : line([WIDE / 2, -14], [WIDE / 2, -7]),
  };
}

/** From above a core past its first state to the middle of what injects. */
const rail = (y: number): string =>
  el("circle", { cx: WIDE / 2, cy: -7, r: 2.5, class: "tip" }) + arrow([WIDE / 2, -7], [3 - RAIL, -7], [3 - RAIL, y], [0, y])
  + text(6 - RAIL, y - 5, "e", { size: 11, kind: "dim" });

/** Beside what is repeated. */
const bracket = (height: number, times: number): string => times === 1 ? ""
  : line([WIDE + 8, 2], [WIDE + 15, 2], [WIDE + 15, height - 2], [WIDE + 8, height - 2]) + count(height, times);

/** The state, from the end of a pass to the begin of the next, which may be the same box. */
const wayBack = (height: number, times: number): string =>
  times === 1 ? "" : arrow([WIDE, height - 8], [WIDE + 15, height - 8], [WIDE + 15, 8], [WIDE, 8]) + count(height, times);

const count = (height: number, times: number): string => text(WIDE + 22, height / 2 + 5, `× ${times}`, { size: 14, within: 46 });
