/** How every kernel's text is put together: header comment, sizes, bindings, body. */
import type { Kernel } from "../ir/plan.ts";

export interface Storage {
  readonly name: string;
  readonly element: "f32" | "vec4f" | "u32" | "vec2u" | "vec4u" | "vec2f";
  readonly access: "read" | "read_write";
  readonly note: string; // shape and meaning
}

export const read = (name: string, element: Storage["element"], note: string): Storage => ({ name, element, access: "read", note });
export const write = (name: string, element: Storage["element"], note: string): Storage => ({ name, element, access: "read_write", note });

export interface KernelParts {
  readonly name: string;
  /** One line per fact: what is computed, from what, at what cost. */
  readonly doc: readonly string[];
  /** Fields of the uniform block, all u32. */
  readonly sizes: readonly string[];
  /** Names of the extents of the grid of tiles, up to three, fastest first; a row of tiles unless said. */
  readonly grid?: readonly string[];
  readonly storage: readonly Storage[];
  readonly enable?: string;
  readonly workgroupSize: number;
  /** Functions and workgroup variables outside main. */
  readonly module?: string;
  readonly body: string;
}

/**
 * main sees `tile` (a number, or with `grid` its place along each axis), `lane` (index in the workgroup) and `sizes`, which end
 * with the grid.
 */
export function kernelText(parts: KernelParts): Kernel {
  const width = Math.max(...parts.storage.map((s) => s.name.length + s.element.length));
  const bindings = parts.storage.map((s, i) => {
    const space = s.access === "read" ? "read>      " : "read_write>";
    return `@group(0) @binding(${i + 1}) var<storage, ${space} ${s.name}: array<${s.element}>;${" ".repeat(width - s.name.length - s.element.length)} // ${s.note}`;
  });
  const { grid = ["n_tiles"] } = parts;
  const sizes = [...parts.sizes, ...grid];
  const wgsl = [
    ...parts.doc.map((line) => `// ${line}`.trimEnd()),
    ...(parts.enable ? [parts.enable] : []),
    `struct Sizes { ${sizes.map((name) => `${name}: u32`).join(", ")} }`,
    "@group(0) @binding(0) var<uniform> sizes: Sizes;",
    ...bindings,
    ...(parts.module?.trim() ? [indent(parts.module, 0)] : []),
    "",
    `@compute @workgroup_size(${parts.workgroupSize})`,
    "fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {",
    indent(tileOfGroup(grid), 1),
    indent(parts.body, 1),
    "}",
    "",
  ].join("\n");
  return { name: parts.name, wgsl, access: parts.storage.map((s) => s.access) };
}

/** Re-indents text by its braces, so that templates need not care. */
function indent(text: string, level: number): string {
  let depth = level;
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").map((line) => {
    const closing = /^[}\])]/.test(line) ? 1 : 0;
    const out = "  ".repeat(Math.max(0, depth - closing)) + line;
    const code = line.replace(/\/\/.*$/, "");
    depth += code.split("{").length - code.split("}").length;
    return out;
  }).join("\n");
}

export const times = (n: number, line: (i: number) => string, separator = "\n"): string =>
  Array.from({ length: n }, (_, i) => line(i)).join(separator);

/** WebGPU's limit for each dimension of a launch. */
const MAX_GROUPS = 65535;

/** Workgroups for a grid of tiles: a row of them, folded into as many rows as the limit demands. The last row may be too long by a few. */
export function workgroupsFor(grid: readonly number[]): readonly [number, number, number] {
  const tiles = Math.max(1, grid.reduce((product, extent) => product * extent, 1));
  const rows = Math.ceil(tiles / MAX_GROUPS);
  return [Math.ceil(tiles / rows), rows, 1];
}

/** The other way round: the tile of a workgroup. Workgroups beyond the last tile are done. */
function tileOfGroup(grid: readonly string[]): string {
  const number = "group.x + group.y * groups.x";
  const [x, y, z] = grid.map((name) => `sizes.${name}`);
  if (y === undefined) return `let tile = ${number};\nif (tile >= ${x}) { return; }`;
  const [place, beyond] = z === undefined
    ? [`vec2u(number % ${x}, number / ${x})`, `tile.y >= ${y}`]
    : [`vec3u(number % ${x}, number / ${x} % ${y}, number / ${x} / ${y})`, `tile.z >= ${z}`];
  return `let number = ${number};\nlet tile = ${place};\nif (${beyond}) { return; }`;
}
