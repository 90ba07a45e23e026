/** Writes grammar/cst.ts, the types of the concrete syntax tree. Run after a change of the grammar: npx tsx scripts/cst-types.ts */
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { generateCstDts } from "chevrotain";
import { grammarRules } from "../grammar/parser.ts";

export const CST_TYPES_FILE = new URL("../grammar/cst.ts", import.meta.url);

export function cstTypes(): string {
  const types = generateCstDts(grammarRules, { includeVisitorInterface: false }).replace("CstNode, ICstVisitor, IToken", "CstNode, IToken");
  return `// Written by scripts/cst-types.ts from the rules of parser.ts.\n${types.trimEnd()}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) writeFileSync(CST_TYPES_FILE, cstTypes());
