/** How every kernel's text is put together: header comment, sizes, bindings, functions, main. */
import type { Kernel } from "../ir/plan.ts";
import { WIDTH } from "./tiles.ts";

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
  /** Of a workgroup; of several, the body makes `lane` of `invocation`. */
  readonly teams?: number;
  /** Functions and workgroup variables outside main. */
  readonly module?: string;
  readonly body: string;
}

/**
 * main sees `tile` (a number, or with `grid` its place along each axis), `lane` (index in the workgroup; `invocation` where that has
 * several teams) and `sizes`, which end with the grid.
 */
export function kernelText(parts: KernelParts): Kernel {
  const { grid = ["n_tiles"] } = parts;
  const sizes = [...parts.sizes, ...grid];
  const index = parts.teams === undefined || parts.teams === 1 ? "lane" : "invocation";
  const head = wgsl`
    ${parts.doc.map((line) => `// ${line}`).join("\n")}
    ${parts.enable ?? ""}
    struct Sizes { ${sizes.map((name) => `${name}: u32`).join(", ")} }
    @group(0) @binding(0) var<uniform> sizes: Sizes;
    ${bindings(parts.storage)}
    ${parts.module ?? ""}
  `;
  const main = wgsl`
    @compute @workgroup_size(${parts.workgroupSize})
    fn main(${BUILTINS}, @builtin(local_invocation_index) ${index}: u32) {
      ${tileOfGroup(grid)}
      ${parts.body}
    }
  `;
  return { name: parts.name, wgsl: `${head}\n\n${main}\n`, access: parts.storage.map((s) => s.access) };
}

const BUILTINS = "@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u";

/** The uniform block is binding 0; the types of the others end in one column, so that the notes stand below each other. */
function bindings(storage: readonly Storage[]): string {
  const width = Math.max(...storage.map((s) => s.name.length + s.element.length));
  return storage.map(({ name, element, access, note }, i) => {
    const space = access === "read" ? "read>      " : "read_write>";
    const gap = " ".repeat(width - name.length - element.length);
    return `@group(0) @binding(${i + 1}) var<storage, ${space} ${name}: array<${element}>;${gap} // ${note}`;
  }).join("\n");
}

/**
 * A template laid out as it will be emitted: begins at column 0 however deep it stands in the source, and has no empty lines. A value
 * of several lines is nested as deep as the line on which it stands.
 */
export function wgsl(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  const text = strings.reduce((before, after, i) => before + nested(`${values[i - 1]}`, before) + after);
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const depth = Math.min(...lines.map(depthOf));
  return lines.map((line) => line.slice(depth).trimEnd()).join("\n");
}

const depthOf = (line: string): number => line.search(/\S|$/);

const nested = (value: string, before: string): string => {
  const line = before.slice(before.lastIndexOf("\n") + 1);
  return value.replaceAll("\n", `\n${" ".repeat(depthOf(line))}`);
};

/** Number of this invocation, where each has a job of its own. */
export const numbered = (name: string): string => `let ${name} = tile * ${WIDTH}u + lane;`;

/** The same, for `count` jobs: invocations beyond the last are done. */
export const oneEach = (name: string, count: string): string => wgsl`
  ${numbered(name)}
  if (${name} >= ${count}) { return; }
`;

/** `line` for 0 … n−1, below each other: how loops over registers are written. */
export const times = (n: number, line: (i: number) => string, separator = "\n"): string =>
  Array.from({ length: n }, (_, i) => line(i)).join(separator);

/** WebGPU's limit for each dimension of a launch. */
const MAX_GROUPS = 65535;

/** Workgroups for a grid of tiles: a row of them, folded into as many rows as the limit demands. The last may be too long by a few. */
export function workgroupsFor(grid: readonly number[]): readonly [number, number, number] {
  const tiles = Math.max(1, grid.reduce((product, extent) => product * extent, 1));
  const rows = Math.ceil(tiles / MAX_GROUPS);
  return [Math.ceil(tiles / rows), rows, 1];
}

/** The other way round: the tile of a workgroup. Workgroups beyond the last tile are done. */
function tileOfGroup(grid: readonly string[]): string {
  const number = "group.x + group.y * groups.x";
  const [x, y, z] = grid.map((name) => `sizes.${name}`);
  if (y === undefined) {
    return wgsl`
      let tile = ${number};
      if (tile >= ${x!}) { return; }
    `;
  }
  const [place, beyond] = z === undefined
    ? [`vec2u(number % ${x}, number / ${x})`, `tile.y >= ${y}`]
    : [`vec3u(number % ${x}, number / ${x} % ${y}, number / ${x} / ${y})`, `tile.z >= ${z}`];
  return wgsl`
    let number = ${number};
    let tile = ${place!};
    if (${beyond!}) { return; }
  `;
}
