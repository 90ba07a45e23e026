/** The wiring of a layer: the residual line, what reads it where, the norms, the two blocks. */
import type { LayerSpec } from "../ir/model-spec.ts";
import { placementText } from "../ir/norm-placement.ts";
import { attentionPart, type Comb, feedForwardPart, type Part } from "./facts.ts";
import { arrow, at, box, el, hue, line, middle, type Piece, text, widthOf, wrapped } from "./svg.ts";

const BLOCK = 262;
/** Block, its output and, at post, a norm on the residual line. */
const SITE = 352;
const EDGE = 18;
export const CARD = EDGE * 2 + 2 * SITE + 34;
const INNER = BLOCK - 24;
const NORM = 26;

export function drawLayer(layer: LayerSpec, names: readonly string[], all: readonly string[]): Piece {
  const parts = [attentionPart(layer), feedForwardPart(layer)] as const;
  const tall = Math.max(...parts.map(heightOf));
  const residual = 52 + tall + 92;
  const [start, end] = [EDGE, CARD - EDGE];
  const sites = parts.map((part, i) =>
    drawSite(part, layer, i === 0 ? "attention" : "feed_forward", 52 + tall, residual, EDGE + 24 + i * SITE));
  const height = residual + 34;
  return {
    svg: box(0, 0, CARD, height, "card") + title(layer, names, all) + arrow([start, residual], [end, residual])
      + text(start, residual + 20, "residual stream", { size: 11, kind: "dim" }) + sites.join(""),
    width: CARD, height,
  };
}

function title(layer: LayerSpec, names: readonly string[], all: readonly string[]): string {
  const size = 13;
  const chips = names.slice(0, 12);
  let x = EDGE + widthOf("layers ", size);
  const drawn = chips.map((name) => {
    const wide = Math.max(22, Math.min(90, widthOf(name, 12) + 12));
    const color = hue(all.indexOf(name));
    const chip = el("rect", { x, y: 14, width: wide, height: 20, rx: 4, fill: color, "fill-opacity": 0.35, stroke: color })
      + middle(x + wide / 2, 28, name, wide - 6);
    x += wide + 5;
    return x < CARD - 300 ? chip : "";
  });
  const scale = layer.residualScale === 1 ? "" : `, blocks × ${layer.residualScale}`;
  const rest = names.length > chips.length ? `and ${names.length - chips.length} more; ` : "";
  const parallel = layer.parallel ? ", both read the first stream" : "";
  const norm = `${rest}${layer.norm.kind} ${placementText(layer.placement)}${scale}${parallel}`;
  return text(EDGE, 28, names.length === 1 ? "layer" : "layers", { size }) + drawn.join("")
    + text(CARD - EDGE, 28, norm, { size, anchor: "end", kind: "dim", within: 270 });
}

const FACT = 17;

const factLines = (part: Part): readonly string[] =>
  wrapped(part.facts.map((fact, i) => (i === part.facts.length - 1 ? fact : `${fact},`)), 12, INNER);

const heightOf = (part: Part): number => 34 + factLines(part).length * FACT + part.combs.length * 30 + (part.router === null ? 0 : 30) + 26;

/** One block above the residual line, from where it reads to where it adds. */
function drawSite(part: Part, layer: LayerSpec, kind: string, bottom: number, residual: number, x: number): string {
  const top = bottom - heightOf(part);
  const level = (top + bottom) / 2;
  const plus = x + BLOCK + 26;
  const { stands } = layer.placement;
  const out = line([x + BLOCK, level], [plus, level]) + arrow([plus, level], [plus, residual - 9]);
  const after = stands === "around" ? normBox(plus - 32, residual - 62, layer, 64) : "";
  const onLine = stands === "after" ? normBox(plus + 13, residual - NORM / 2, layer, 44) : "";
  const sum = el("circle", { cx: plus, cy: residual, r: 9, class: "plain" })
    + line([plus - 5, residual], [plus + 5, residual]) + line([plus, residual - 5], [plus, residual + 5]);
  const scale = layer.residualScale === 1 ? "" : text(plus - 12, residual - 14, `× ${layer.residualScale}`, { size: 11, anchor: "end" });
  return box(x, top, BLOCK, bottom - top, `${kind}-block`) + at(x + 12, top, blockText(part, kind))
    + inputs(part, layer, bottom, residual, x) + out + after + onLine + sum + scale;
}

const normBox = (x: number, y: number, { norm }: LayerSpec, width: number): string =>
  box(x, y, width, NORM, "plain") + middle(x + width / 2, y + 17, width < 60 ? "norm" : norm.kind, width - 6, { size: 11 });

/** One or two ways up from the residual line, with what reads each. */
function inputs(part: Part, layer: LayerSpec, bottom: number, residual: number, x: number): string {
  const { norm, residual: bare } = part.reads;
  const way = (dx: number, label: string, normed: boolean, within: number): string =>
    el("circle", { cx: x + dx, cy: residual, r: 3, class: "tip" }) + arrow([x + dx, residual], [x + dx, bottom])
      + (normed ? normBox(x + dx - 42, residual - 62, layer, 84) : "") + middle(x + dx, bottom - 9, label, within, { size: 11 });
  if (norm === "" || bare === "") return way(BLOCK / 2, norm + bare, norm !== "", INNER);
  return way(BLOCK * 0.3, norm, true, BLOCK * 0.52) + way(BLOCK * 0.78, bare, false, BLOCK * 0.4);
}

function blockText(part: Part, kind: string): string {
  const lines = factLines(part);
  const facts = lines.map((fact, i) => text(0, 40 + i * FACT, fact, { within: INNER }));
  let y = 34 + lines.length * FACT;
  const combs = part.combs.map((comb) => {
    const drawn = at(0, y, drawComb(comb, kind));
    y += 30;
    return drawn;
  });
  const router = part.router === null ? ""
    : box(0, y + 2, INNER, 22, "plain", { rx: 11 }) + middle(INNER / 2, y + 17, part.router, INNER - 16, { size: 11 });
  return text(0, 21, part.title, { size: 13, within: INNER }) + facts.join("") + combs.join("") + router;
}

const TEETH = 32;

/** As many teeth as there are experts, or as there is room for; the chosen ones are filled, in proportion. */
function drawComb({ label, n, k }: Comb, kind: string): string {
  const words = `${k} of ${n}`;
  const from = label === "" ? 0 : 34;
  const to = INNER - widthOf(words, 12) - 8;
  const teeth = Math.min(n, TEETH);
  const chosen = n <= TEETH ? k : Math.max(1, Math.round((k / n) * teeth));
  const step = Math.min(14, (to - from) / teeth);
  const drawn = Array.from({ length: teeth }, (_, i) => {
    const on = Math.floor(((i + 1) * chosen) / teeth) > Math.floor((i * chosen) / teeth);
    return el("rect", { x: from + i * step, y: 4, width: step * 0.66, height: 18, rx: 1, class: on ? kind : "tooth" });
  });
  return (label === "" ? "" : text(0, 18, label, { within: 30 })) + drawn.join("") + text(INNER, 18, words, { anchor: "end" });
}
