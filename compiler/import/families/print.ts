/** Models of published families as spec text, in the layout of `moeut fmt`. */
import { numberText } from "../../ir/number-text.ts";
import type { FamilyModel, Fields } from "./family.ts";

/** @param parameters said in an `expect` line, if known */
export function printFamily(name: string, { front, layer, depth }: FamilyModel, parameters: number | null): string {
  return [
    "moeut 1", "", `model ${name} {`,
    ...indented(lines(front)), "",
    "  layer a {", ...indented(indented(lines(layer))), "  }",
    `  stack ${depth === 1 ? "a" : `own(a) * ${depth}`}`,
    ...(parameters === null ? [] : ["", `  expect params ${numberText(parameters)} +- 0`]), "}", "",
  ].join("\n");
}

const indented = (text: readonly string[]): readonly string[] => text.map((line) => `  ${line}`);

/** Plain fields on a line, then every block on its own, or on several. */
function lines(fields: Fields): readonly string[] {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  const isBlock = (value: Fields[string]): value is Fields => typeof value === "object";
  const text = (value: Fields[string]): string => (typeof value === "number" ? numberText(value) : String(value));
  const plain = entries.filter(([, value]) => !isBlock(value)).map(([name, value]) => `${name} ${text(value)}`);
  return [
    ...(plain.length === 0 ? [] : [plain.join("  ")]),
    ...entries.flatMap(([name, value]) => (isBlock(value) ? block(name, lines(value)) : [])),
  ];
}

const WIDTH = 110;

function block(name: string, inside: readonly string[]): readonly string[] {
  const line = inside.length === 0 ? `${name} { }` : `${name} { ${inside.join("  ")} }`;
  return line.length <= WIDTH ? [line] : [`${name} {`, ...indented(inside), "}"];
}
