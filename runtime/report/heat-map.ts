/** A table of numbers as a picture: rows by columns, the darker the greater; what is below 0 has another colour. */
import { escape } from "./page.ts";

export interface HeatMap {
  /** What it shows, in words: for those who do not see it. */
  readonly description: string;
  readonly rowName: string;
  readonly columnName: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly values: readonly (readonly number[])[]; // [row][column]
  /** A value in words; a share in percent unless given. */
  readonly textOf?: (value: number) => string;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const [CELL, LEFT, TOP, WIDEST] = [18, 64, 40, 860];

/** SVG whose colours are those of the page. Rows are as high as fits 600 pixels, 18 at most. */
export function heatMap({ description, rowName, columnName, rows, columns, values, textOf = percent }: HeatMap): string {
  const width = Math.min(4 * CELL, (WIDEST - LEFT) / columns.length);
  const height = Math.min(CELL, Math.max(3, 600 / rows.length));
  const greatest = values.flat().reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
  const cells = values.flatMap((row, y) => row.map((value, x) => {
    const [left, top] = [LEFT + x * width, TOP + y * height].map((at) => at.toFixed(1));
    const place = `x="${left}" y="${top}" width="${width.toFixed(1)}" height="${height.toFixed(1)}"`;
    const title = `${rowName} ${rows[y]}, ${columnName} ${columns[x]}: ${textOf(value)}`;
    const color = `var(--series-${value < 0 ? 1 : 0})`;
    const opacity = (Math.abs(value) / greatest).toFixed(3);
    return `<rect ${place} fill="${color}" fill-opacity="${opacity}"><title>${escape(title)}</title></rect>`;
  }));
  const text = (x: number, y: number, anchor: string, words: string): string =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="12" fill="var(--muted)">${escape(words)}</text>`;
  const every = Math.ceil(14 / height); // labels of rows need 14 pixels
  const labels = [
    text(LEFT - 8, TOP - 22, "end", rowName), text(LEFT, TOP - 22, "start", columnName),
    ...columns.map((name, x) => text(LEFT + (x + 0.5) * width, TOP - 6, "middle", name)),
    ...rows.flatMap((name, y) => (y % every === 0 ? [text(LEFT - 8, TOP + (y + 0.5) * height + 4, "end", name)] : [])),
  ];
  const [w, h] = [LEFT + columns.length * width, TOP + rows.length * height + 4].map(Math.ceil);
  const size = `viewBox="0 0 ${w} ${h}" style="width:100%;max-width:${w}px"`;
  return `<svg ${size} role="img" aria-label="${escape(description)}">${cells.join("")}${labels.join("")}</svg>`;
}
