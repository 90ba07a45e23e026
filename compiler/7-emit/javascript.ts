/** A TypeScript file of the folder as JavaScript and declarations: what Node, pages and other programs load. */
import { ts } from "ts-morph";
import { bug } from "../ir/tensor-type.ts";

const OPTIONS: ts.CompilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };

/** @param text whose exports all say their types, so that no other file is needed */
export function transpiled(path: string, text: string): { readonly js: string; readonly types: string } {
  const options = { fileName: path, compilerOptions: OPTIONS, reportDiagnostics: true };
  const [js, types] = [ts.transpileModule(text, options), ts.transpileDeclaration(text, options)];
  const [problem] = [...(js.diagnostics ?? []), ...(types.diagnostics ?? [])];
  if (problem !== undefined) bug(`${path}: ${ts.flattenDiagnosticMessageText(problem.messageText, " ")}`);
  return { js: withJsImports(js.outputText), types: withJsImports(types.outputText) };
}

/** "./x.ts" → "./x.js" in imports, each of which is a line. */
const withJsImports = (text: string): string => text.replace(/^((?:import|export)\b[^"\n]*"\.[^"\n]*)\.ts";$/gm, '$1.js";');
