/**
 * How the sources hang together: who imports what of whom, and which of it is against the rules. All functions are pure but `readSources`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import ts from "typescript";

/** Text by path from the root: "compiler/ir/expr.ts". */
export type Sources = Readonly<Record<string, string>>;

interface Import {
  readonly to: string;
  /** Erased when it is compiled. */
  readonly isType: boolean;
  /** Null for all of them. */
  readonly names: readonly string[] | null;
}

export interface Module {
  readonly imports: readonly Import[];
  /** Names by which others know what is exported here. */
  readonly exports: readonly string[];
  /** Of the exports, types that another export's signature mentions: whoever has that may need to say what it is. */
  readonly mentioned: ReadonlySet<string>;
}

export type Modules = Readonly<Record<string, Module>>;

/** Every source file of the repository. */
export function readSources(root: string): Sources {
  const files = ["api", "cli", "compiler", "grammar", "runtime", "scripts", "test"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => `${folder}/${file.replaceAll("\\", "/")}`));
  return Object.fromEntries(files.filter((file) => file.endsWith(".ts")).sort().map((file) => [file, readFileSync(join(root, file), "utf8")]));
}

export const modulesOf = (sources: Sources): Modules =>
  Object.fromEntries(Object.entries(sources).map(([file, text]) => [file, moduleOf(file, text)]));

function moduleOf(file: string, text: string): Module {
  const { statements } = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const exported = statements.filter((s) => ts.canHaveModifiers(s) && ts.getModifiers(s)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword));
  const reexported = statements.flatMap((s) => (ts.isExportDeclaration(s) && s.exportClause && ts.isNamedExports(s.exportClause) ? s.exportClause.elements : []));
  const mentioned = exported.flatMap((s) => typesIn(s).filter((name) => !declaredNames(s).includes(name)));
  return {
    imports: [...statements.flatMap(importsOf), ...statements.flatMap(dynamicImports)].flatMap(({ from, ...rest }) =>
      (from.startsWith(".") ? [{ ...rest, to: posix.join(posix.dirname(file), from) }] : [])),
    exports: [...exported.flatMap(declaredNames), ...reexported.map((e) => e.name.text)],
    mentioned: new Set(mentioned),
  };
}

type From = Omit<Import, "to"> & { readonly from: string };

function importsOf(statement: ts.Statement): readonly From[] {
  if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
    const clause = statement.exportClause;
    const elements = clause && ts.isNamedExports(clause) ? clause.elements : null;
    return [from(statement.moduleSpecifier, statement.isTypeOnly, elements)];
  }
  if (!ts.isImportDeclaration(statement)) return [];
  const bindings = statement.importClause?.namedBindings;
  const elements = bindings && ts.isNamedImports(bindings) ? bindings.elements : null;
  return [from(statement.moduleSpecifier, statement.importClause?.isTypeOnly ?? false, elements)];
}

type Specifier = ts.ImportSpecifier | ts.ExportSpecifier;

const from = (specifier: ts.Expression, isTypeOnly: boolean, elements: readonly Specifier[] | null): From => ({
  from: (specifier as ts.StringLiteral).text,
  isType: isTypeOnly || (elements !== null && elements.length > 0 && elements.every((e) => e.isTypeOnly)),
  names: elements?.map((e) => (e.propertyName ?? e.name).text) ?? null,
});

/** `import("./x.ts")`, as a value or in a type. */
function dynamicImports(node: ts.Node): readonly From[] {
  const inner: From[] = [];
  ts.forEachChild(node, (child) => void inner.push(...dynamicImports(child)));
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && ts.isStringLiteral(node.arguments[0]!)) inner.push(from(node.arguments[0], false, null));
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) inner.push(from(node.argument.literal as ts.StringLiteral, true, null));
  return inner;
}

function declaredNames(statement: ts.Statement): readonly string[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.flatMap((d) => boundNames(d.name));
  const { name } = statement as ts.DeclarationStatement;
  return name === undefined ? [] : [name.text];
}

const boundNames = (name: ts.BindingName): readonly string[] =>
  ts.isIdentifier(name) ? [name.text] : name.elements.flatMap((e) => (ts.isBindingElement(e) ? boundNames(e.name) : []));

/** Names of types in a declaration, outside the bodies of functions. */
function typesIn(node: ts.Node): readonly string[] {
  if (ts.isBlock(node)) return [];
  const inner: string[] = [];
  ts.forEachChild(node, (child) => {
    const isBody = ts.isArrowFunction(node) && child === node.body;
    if (!isBody) inner.push(...typesIn(child));
  });
  if (ts.isTypeReferenceNode(node)) inner.push(node.typeName.getText());
  if (ts.isExpressionWithTypeArguments(node)) inner.push(node.expression.getText());
  return inner;
}

/** "1-parse" → 1; null for a file outside the numbered folders. */
const phaseOf = (file: string): number | null => {
  const number = /^compiler\/(\d)-/.exec(file)?.[1];
  return number === undefined ? null : Number(number);
};
const libraryOf = (file: string): string | null => (phaseOf(file) === null ? (/^compiler\/([^/]+)\//.exec(file)?.[1] ?? null) : null);
const within = (file: string, folder: string): boolean => file.startsWith(`${folder}/`);
const inOneOf = (file: string, folders: readonly string[]): boolean => folders.some((folder) => within(file, folder));

/** Libraries about text need the parser; a difference is counted by checking texts between the two. */
const LIBRARIES_ON_PHASES: Readonly<Record<string, readonly string[]>> = {
  format: ["compiler/1-parse/index.ts"],
  diff: ["compiler/1-parse/index.ts", "compiler/front.ts"],
};

type Rule = readonly [what: string, isBroken: (from: string, to: string, isType: boolean) => boolean];

/** Which imports are wrong. `runtime/standalone` is a leaf that everybody may import, because it imports nobody. */
const IMPORT_RULES: readonly Rule[] = [
  ["a phase imports no later one", (a, b) => phaseOf(a) !== null && (phaseOf(b) ?? 0) > phaseOf(a)!],
  ["only front.ts and compile.ts run phases", (a, b) => phaseOf(a) !== null && ["compiler/front.ts", "compiler/compile.ts"].includes(b)],
  ["a library imports no phase", (a, b) => {
    const library = libraryOf(a);
    const isAbove = phaseOf(b) !== null || ["compiler/front.ts", "compiler/compile.ts"].includes(b);
    return library !== null && isAbove && !LIBRARIES_ON_PHASES[library]?.includes(b);
  }],
  ["ir imports only itself and types of runtime/standalone", (a, b, isType) =>
    within(a, "compiler/ir") && !within(b, "compiler/ir") && !(isType && within(b, "runtime/standalone"))],
  ["the compiler imports nothing of the runtime but its leaf", (a, b) => within(a, "compiler") && within(b, "runtime") && !within(b, "runtime/standalone")],
  ["the grammar imports nothing", (a, b) => within(a, "grammar") && !within(b, "grammar")],
  ["runtime/standalone imports only itself", (a, b) => within(a, "runtime/standalone") && !within(b, "runtime/standalone")],
  ["the runtime imports only types of the compiler", (a, b, isType) => within(a, "runtime") && within(b, "compiler") && !isType],
  ["api imports only compiler and runtime", (a, b) => within(a, "api") && !inOneOf(b, ["api", "compiler", "runtime"])],
  ["only the command line imports api", (a, b) => within(b, "api") && !inOneOf(a, ["api", "cli", "test"])],
  ["the command line is imported by nobody", (a, b) => within(b, "cli") && !within(a, "cli") && !within(a, "test")],
  ["tests are imported by nobody", (a, b) => within(b, "test") && !within(a, "test")],
];

/** "a.ts → b.ts: what rule it breaks" */
export const wrongImports = (modules: Modules): readonly string[] => Object.entries(modules).flatMap(([file, { imports }]) =>
  imports.flatMap(({ to, isType }) => IMPORT_RULES.filter(([, isBroken]) => isBroken(file, to, isType))
    .map(([what]) => `${file} → ${to}: ${what}`)));

/** "a.ts → b.ts → a.ts", one line for each import that closes a circle; imports of types count. */
export function cycles(modules: Modules): readonly string[] {
  const out: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, above: readonly string[]): void => {
    const at = above.indexOf(file);
    if (at >= 0) out.push([...above.slice(at), file].join(" → "));
    if (at >= 0 || done.has(file)) return;
    for (const { to } of modules[file]?.imports ?? []) visit(to, [...above, file]);
    done.add(file);
  };
  Object.keys(modules).forEach((file) => visit(file, []));
  return out;
}

/** What they export is for others: for an emitted folder's model.ts and whoever has it, and for who imports the package. */
const FACES = ["runtime/standalone/model.ts", "runtime/standalone/load.ts", "api/index.ts"];

/** "a.ts: NAME" for what is exported and imported by nobody. */
export function unusedExports(modules: Modules): readonly string[] {
  const used = new Map<string, Set<string>>();
  for (const { to, names } of Object.values(modules).flatMap(({ imports }) => imports)) {
    used.set(to, new Set([...(used.get(to) ?? []), ...(names ?? modules[to]?.exports ?? [])]));
  }
  return Object.entries(modules).flatMap(([file, { exports, mentioned }]) => (FACES.includes(file) ? [] : exports
    .filter((name) => !used.get(file)?.has(name) && !mentioned.has(name)).map((name) => `${file}: ${name}`)));
}
