/** A file with everything it imports, parsed. */
import { createReporter, nearest } from "../diagnostics/index.ts";
import { parse } from "../1-parse/index.ts";
import type { EntryAst, FnAst, ImportAst, ModelAst, NameAst, SpecAst } from "../ir/ast.ts";
import type { SourceText } from "../ir/source.ts";
import type { Reporter } from "../diagnostics/index.ts";

/**
 * Reads the text of an imported file. `path` as written, `from` the name of the importing file; gives the file under its own
 * name, or says why not.
 */
export type ReadFile = (path: string, from: string) => SourceText | { readonly problem: string };

export interface LoadedFile {
  readonly ast: SpecAst;
  readonly imports: readonly LoadedFile[];
  /** Its own models, the first of each name. */
  readonly models: readonly ModelAst[];
  /** Its own functions, the first of each name. */
  readonly fns: readonly FnAst[];
  /** Top-level `train` blocks. */
  readonly train: readonly EntryAst[];
}

export interface Loader {
  readonly report: Reporter;
  readonly readFile: ReadFile;
  /** Every text read, for rendering diagnostics. */
  readonly sources: SourceText[];
  /** Each file read, once, however many import it. */
  readonly loaded: Map<string, LoadedFile>;
}

/** Far more than anyone needs, far less than the call stack holds. */
const MAX_NESTING = 64;

export function loadFile(ast: SpecAst, loader: Loader, open: readonly string[] = []): LoadedFile {
  const imports = [...new Set(ast.imports.flatMap((statement) => loadImport(statement, ast.file, loader, [...open, ast.file]) ?? []))];
  const models = firstOfEachName("duplicate-model", ast.models, imports.flatMap((file) => file.models), loader.report);
  const fns = firstOfEachName(
    "duplicate-fn", ast.statements.filter((s) => s.kind === "fn"), imports.flatMap((file) => file.fns), loader.report,
  );
  const file: LoadedFile = { ast, imports, models, fns, train: topLevel(ast, loader.report) };
  reportVersion(ast, loader.report);
  return file;
}

function loadImport(statement: ImportAst, from: string, loader: Loader, open: readonly string[]): LoadedFile | null {
  if (open.length > MAX_NESTING) {
    loader.report.report("nested-too-deep", statement.pathSpan, { what: "imports", limit: MAX_NESTING });
    return null;
  }
  const source = loader.readFile(statement.path, from);
  if ("problem" in source) {
    loader.report.report("import-not-found", statement.pathSpan, { path: statement.path, reason: source.problem });
    return null;
  }
  if (open.includes(source.file)) {
    loader.report.report("import-cycle", statement.pathSpan, { path: statement.path });
    return null;
  }
  const before = loader.loaded.get(source.file);
  if (before !== undefined) return before;
  const trial = createReporter();
  const ast = parse(source, trial);
  if (isNoSpec(ast, trial)) {
    loader.report.report("import-not-spec", statement.pathSpan, { path: statement.path });
    return null;
  }
  loader.sources.push(source);
  for (const diagnostic of trial.all) loader.report.add(diagnostic);
  const file = loadFile(ast, loader, open);
  loader.loaded.set(source.file, file);
  return file;
}

/** Some other text: it does not say that it is a spec, and does not read as one. Its lines are not shown: they may be anyone's. */
const isNoSpec = ({ version, statements }: SpecAst, { errors }: Reporter): boolean =>
  version === null && (errors > 0 || statements.some((s) => s.kind === "entry" && !ITEMS.includes(s.name.text)));

function reportVersion(ast: SpecAst, report: Reporter): void {
  if (ast.version === null) {
    if (ast.damage.length === 0) report.report("missing-version", { ...ast.span, end: Math.min(ast.span.end, 1) }, {});
  } else if (ast.version.value !== 1) report.report("unsupported-version", ast.version.span, { version: ast.version.text });
}

/** A name means one model, and one function: in the file and in what it imports. */
function firstOfEachName<Item extends { readonly name: NameAst }>(
  code: "duplicate-model" | "duplicate-fn", own: readonly Item[], imported: readonly Item[], report: Reporter,
): readonly Item[] {
  const first = new Map<string, Item>();
  for (const item of [...imported, ...own]) {
    const before = first.get(item.name.text);
    if (before === undefined) first.set(item.name.text, item);
    else report.report(code, item.name.span, { name: item.name.text }, [{ span: before.name.span, note: "the first one" }]);
  }
  return [...new Map([...own].reverse().map((item) => [item.name.text, item])).values()].reverse();
}

const ITEMS = ["fn", "model", "compare", "import", "train", "moeut"];

function topLevel(ast: SpecAst, report: Reporter): readonly EntryAst[] {
  const train: EntryAst[] = [];
  for (const statement of ast.statements) {
    if (statement.kind === "fn") continue;
    if (statement.kind === "entry" && statement.name.text === "train") {
      train.push(statement);
      continue;
    }
    // Behind a syntax error, statements have most likely lost the braces around them.
    if (ast.damage.some((d) => d.start <= statement.span.start)) continue;
    if (statement.kind === "entry" && statement.name.text === "moeut") report.report("late-version", statement.name.span, {});
    else if (statement.kind === "entry") {
      const name = statement.name.text;
      report.report("unknown-item", statement.name.span, { name, nearest: nearest(name, ITEMS) });
    } else {
      const home = statement.kind === "vary" ? "compare" : "model";
      report.report("misplaced-statement", statement.word, { statement: statement.kind, where: "a file", home });
    }
  }
  return train;
}

export interface FoundModel {
  readonly model: ModelAst;
  readonly file: LoadedFile;
}

/** A model by name: of the file itself, else of a file that it imports. */
export function findModel(name: string, file: LoadedFile): FoundModel | null {
  for (const place of [file, ...file.imports]) {
    const model = place.models.find((m) => m.name.text === name);
    if (model !== undefined) return { model, file: place };
  }
  return null;
}

/** Functions that a name may mean in a file. */
export const fnsInScope = (file: LoadedFile): readonly FnAst[] => [file, ...file.imports].flatMap((f) => f.fns);

export const namesInScope = (file: LoadedFile): readonly string[] =>
  [file, ...file.imports].flatMap((f) => f.models.map((m) => m.name.text));
