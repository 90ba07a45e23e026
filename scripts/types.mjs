/**
 * The types of `import "moeut"` as one file, dist/index.d.ts: what api/index.ts exports, and every type that these mention, with their
 * comments. It needs nothing but TypeScript's own library, whatever the sources import.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const HEADER = "/** The types of moeut as a library; docs/api.md shows it at work. */\n";

/** @returns the text of index.d.ts */
export function apiTypes() {
  const { program, entry } = declarations(join(ROOT, "api", "index.ts"));
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry))).map((symbol) => original(symbol, checker));
  const all = reached(exported, checker);
  return `${HEADER}${all.map((symbol) => textOf(symbol, checker)).join("\n")}\n`;
}

/** The sources without the bodies of functions, as TypeScript's own declaration files: made in memory, those that are asked for. */
function declarations(entry) {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const sources = ts.createProgram([entry], { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true });
  const isSource = (path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !path.includes("/node_modules/");
  const sourceOf = (path) => sources.getSourceFile(path.replace(/\.d\.ts$/, ".ts"));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  // `./x.ts` is to be found as x.d.ts, although x.ts is there.
  host.fileExists = (path) => !isSource(path) && ((path.endsWith(".d.ts") && sourceOf(path) !== undefined) || fileExists(path));
  host.readFile = (path) => {
    let text;
    const source = path.endsWith(".d.ts") && !path.includes("/node_modules/") ? sourceOf(path) : undefined;
    if (source !== undefined) sources.emit(source, (_, written) => void (text = written));
    return text ?? readFile(path);
  };
  const main = entry.replace(/\.ts$/, ".d.ts");
  return { program: ts.createProgram([main], options, host), entry: main };
}

const original = (symbol, checker) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);

/** These symbols, and those of the sources that their declarations mention, each once. */
function reached(symbols, checker) {
  const found = new Set();
  const visit = (symbol) => {
    if (found.has(symbol) || isOutside(symbol)) return;
    found.add(symbol);
    for (const declaration of symbol.declarations) if (!isComputed(declaration)) mentionedIn(declaration, checker).forEach(visit);
  };
  symbols.forEach(visit);
  const names = [...found].map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`two different types of the library are called ${twice}`);
  return [...found];
}

const isOutside = ({ flags, declarations }) =>
  (flags & ts.SymbolFlags.TypeParameter) !== 0 || declarations === undefined || declarations.every((d) => d.getSourceFile().fileName.includes("/node_modules/"));

function mentionedIn(node, checker) {
  const inner = [];
  ts.forEachChild(node, (child) => void inner.push(...mentionedIn(child, checker)));
  if (ts.isImportTypeNode(node)) throw new Error(`a type of the library has no name: ${node.getText()}; state it in the source`);
  const name = ts.isTypeReferenceNode(node) ? node.typeName : ts.isExpressionWithTypeArguments(node) ? node.expression : null;
  const symbol = name === null ? undefined : checker.getSymbolAtLocation(name);
  return symbol === undefined ? inner : [...inner, original(symbol, checker)];
}

/** Types made from values, as `keyof typeof TABLE`, are written out as what they come to. */
const isComputed = (declaration) => ts.isTypeAliasDeclaration(declaration) && /\btypeof\b/.test(declaration.type.getText());

function textOf({ declarations, name }, checker) {
  return declarations.map((declaration) => {
    const doc = declaration.jsDoc?.at(-1)?.getText() ?? "";
    const text = isComputed(declaration) ? `type ${name} = ${written(declaration, checker)};` : declaration.getText().replace(/^(export )?(declare )?/, "");
    const declare = ts.isTypeAliasDeclaration(declaration) || ts.isInterfaceDeclaration(declaration) ? "" : "declare ";
    return `\n${doc === "" ? "" : `${doc}\n`}export ${declare}${text}`;
  }).join("");
}

const written = (declaration, checker) =>
  checker.typeToString(checker.getTypeAtLocation(declaration), undefined, ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.InTypeAlias);
