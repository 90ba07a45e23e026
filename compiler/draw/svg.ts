/** SVG as text. A picture is a piece with a size; pieces are put beside and below each other. */

export interface Piece {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

type Attributes = Readonly<Record<string, string | number>>;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);

const rounded = (value: string | number): string => (typeof value === "number" ? String(Math.round(value * 10) / 10) : escaped(value));

export function el(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const shown = Object.entries(attributes).map(([key, value]) => ` ${key}="${rounded(value)}"`).join("");
  return children.length === 0 ? `<${name}${shown}/>` : `<${name}${shown}>${children.join("")}</${name}>`;
}

export const at = (x: number, y: number, ...children: readonly string[]): string =>
  el("g", { transform: `translate(${rounded(x)} ${rounded(y)})` }, ...children);

export const box = (x: number, y: number, width: number, height: number, kind: string, more: Attributes = {}): string =>
  el("rect", { x, y, width, height, rx: 5, class: kind, ...more });

export const line = (...points: readonly (readonly [number, number])[]): string =>
  el("polyline", { points: points.map(([x, y]) => `${rounded(x)},${rounded(y)}`).join(" "), class: "wire" });

/** A line with a head at its end. */
export const arrow = (...points: readonly (readonly [number, number])[]): string =>
  el("polyline", { points: points.map(([x, y]) => `${rounded(x)},${rounded(y)}`).join(" "), class: "wire", "marker-end": "url(#head)" });

/** No common sans serif is wider on average over words. */
const EM = 0.6;

export const widthOf = (text: string, size: number): number => [...text].length * size * EM;

interface TextStyle {
  readonly size?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly kind?: string;
  /** The text is made smaller, and then shorter, to stay within it. */
  readonly within?: number;
}

const SMALLEST = 9;

export function text(
  x: number, y: number, words: string, { size = 12, anchor = "start", kind = "ink", within = Infinity }: TextStyle = {},
): string {
  const fitting = Math.max(Math.min(size, SMALLEST), Math.min(size, within / (Math.max(1, [...words].length) * EM)));
  const room = Math.floor(within / (fitting * EM));
  const shown = [...words].length <= room ? words : `${[...words].slice(0, Math.max(0, room - 1)).join("")}…`;
  return el("text", { x, y, "font-size": fitting, "text-anchor": anchor, class: kind }, escaped(shown));
}

/** Around x, no wider than `within`. */
export const middle = (x: number, y: number, words: string, within: number, style: TextStyle = {}): string =>
  text(x, y, words, { anchor: "middle", within, ...style });

/** One below the other, `gap` apart. */
export function below(pieces: readonly Piece[], gap: number): Piece {
  let y = 0;
  const drawn = pieces.map((piece) => {
    const placed = at(0, y, piece.svg);
    y += piece.height + gap;
    return placed;
  });
  return { svg: drawn.join(""), width: Math.max(...pieces.map((piece) => piece.width)), height: y - gap };
}

/** Words with spaces between, in lines that fit. */
export function wrapped(words: readonly string[], size: number, within: number, gap = " "): readonly string[] {
  return words.reduce<string[]>((lines, word) => {
    const longer = lines.length === 0 ? word : `${lines.at(-1)!}${gap}${word}`;
    if (lines.length > 0 && widthOf(longer, size) <= within) return [...lines.slice(0, -1), longer];
    return [...lines, word];
  }, []);
}

/** Hues far apart for neighbours, whatever their number. */
export const hue = (index: number): string => `hsl(${Math.round(205 + index * 137.5) % 360} 62% 50%)`;

const LIGHT = { page: "#ffffff", ink: "#1f2328", dim: "#59636e", wire: "#6e7781", card: "#f6f8fa", edge: "#d1d9e0" };
const DARK = { page: "#0d1117", ink: "#e6edf3", dim: "#9198a1", wire: "#8b949e", card: "#151b23", edge: "#3d444d" };

const rules = (c: typeof LIGHT): string => [
  `.page{fill:${c.page}}`, `.ink{fill:${c.ink}}`, `.dim{fill:${c.dim}}`,
  `.wire{stroke:${c.wire};stroke-width:1.5;fill:none}`, `.tip{fill:${c.wire}}`,
  `.card{fill:${c.card};stroke:${c.edge}}`, `.plain{fill:${c.page};stroke:${c.wire}}`, `.tooth{fill:none;stroke:${c.wire}}`,
].join("");

/** The colour of each part of a model, in blocks and bars alike. */
const PARTS: Readonly<Record<string, string>> = {
  attention: "#3b82f6", feed_forward: "#f08c2e", head: "#2da44e", embedding: "#a371f7", norms: "#8b949e", other: "#d4709c",
};
const partRules = Object.entries(PARTS).map(([part, color]) =>
  `.${part}{fill:${color};stroke:${color}}.${part}-block{fill:${color};fill-opacity:.16;stroke:${color}}`).join("");
const STYLE = 'text{font-family:system-ui,"Segoe UI",Helvetica,Arial,"DejaVu Sans",sans-serif}'
  + `${rules(LIGHT)}${partRules}@media(prefers-color-scheme:dark){${rules(DARK)}}`;

export function page({ svg, width, height }: Piece, title: string): string {
  const viewBox = `0 0 ${rounded(width)} ${rounded(height)}`;
  const head = el(
    "marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 5, markerHeight: 5, orient: "auto" },
    el("path", { d: "M0 0L8 4L0 8z", class: "tip" }),
  );
  const paper = el("rect", { width, height, class: "page" });
  const all = el("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox, width, height, role: "img" },
    el("title", {}, escaped(title)), `<style>${STYLE}</style>`, el("defs", {}, head), paper, svg);
  return `${all}\n`;
}

/** Part of a model → a class that has a colour. */
export const partClass = (part: string): string => (Object.hasOwn(PARTS, part) ? part : "other");
