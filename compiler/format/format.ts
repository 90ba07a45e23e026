/**
 * `moeut fmt`: one layout for every spec. Line breaks between statements are the author's (at most one blank line);
 * indentation, spaces and the column of comments behind code are not.
 */
import type { IToken } from "chevrotain";
import { parse } from "../1-parse/index.ts";
import { specLexer } from "../../grammar/tokens.ts";
import { createReporter } from "../diagnostics/index.ts";
import type { SpecAst, StatementAst } from "../ir/ast.ts";
import type { SourceText } from "../ir/source.ts";

/** Canonical text; text with syntax errors is returned as it is (checking it says what is wrong). Idempotent, keeps every comment. */
export function format(source: SourceText): string {
  const report = createReporter();
  const ast = parse(source, report);
  if (ast.damage.length > 0 || report.errors > 0) return source.text;
  const lexed = specLexer.tokenize(source.text);
  const tokens = [...lexed.tokens, ...(lexed.groups["comments"] ?? [])].sort((x, y) => x.startOffset - y.startOffset);
  return layOut(source.text, tokens, startsOf(ast));
}

interface Line {
  code: string;
  /** A comment behind code. */
  comment: string;
}

/** Offsets where statements start; those of top-level ones always start a line. */
interface Starts {
  readonly items: ReadonlySet<number>;
  readonly statements: ReadonlySet<number>;
}

function startsOf(ast: SpecAst): Starts {
  const statements = new Set<number>();
  const add = (list: readonly StatementAst[]): void => {
    for (const statement of list) {
      statements.add(statement.span.start);
      if (statement.kind === "layer") add(statement.body.statements);
      if (statement.kind === "entry" && statement.block !== null) add(statement.block.statements);
    }
  };
  add(ast.statements);
  for (const item of [...ast.models, ...ast.compares]) add(item.body.statements);
  const items = [...ast.imports, ...ast.models, ...ast.compares, ...ast.statements].map((item) => item.span.start);
  return { items: new Set(items), statements };
}

const isComment = (token: IToken | undefined): boolean => token?.tokenType.name === "Comment";
const is = (token: IToken | undefined, image: string): boolean => token?.image === image;

function layOut(text: string, tokens: readonly IToken[], starts: Starts): string {
  const long = longBlocks(tokens);
  const lines: Line[] = [];
  let depth = 0;
  const open: IToken[] = [];
  tokens.forEach((token, i) => {
    const before = tokens[i - 1];
    const opener = is(token, "}") ? open.pop() : undefined;
    if (opener !== undefined) depth--;
    const gap = before === undefined ? "\n"
      : isNegation(tokens, i - 1) && !isComment(token) ? ""
      : gapBetween(before, token, breaksBetween(text, before, token), starts, (t) => long.has(t), opener);
    append(lines, token, gap, depth * 2 + (continues(tokens, i, starts) ? 4 : 0));
    if (is(token, "{")) {
      depth++;
      open.push(token);
    }
  });
  return lines.length === 0 ? "" : `${alignComments(lines).join("\n")}\n`;
}

/** Opening braces of blocks that the author wrote on more than one line. */
function longBlocks(tokens: readonly IToken[]): ReadonlySet<IToken> {
  const open: IToken[] = [];
  const long = new Set<IToken>();
  for (const token of tokens) {
    if (is(token, "{")) open.push(token);
    if (!is(token, "}")) continue;
    const opener = open.pop();
    if (opener !== undefined && opener.startLine !== token.startLine) long.add(opener);
  }
  return long;
}

const breaksBetween = (text: string, before: IToken, token: IToken): number =>
  text.slice(before.startOffset + before.image.length, token.startOffset).split(/\r\n?|\n/).length - 1;

/** What stands between two tokens: spaces, or line breaks. */
function gapBetween(
  before: IToken, token: IToken, breaks: number, starts: Starts, isLong: (brace: IToken) => boolean, opener: IToken | undefined,
): string {
  if (isComment(token) && breaks === 0) return "  ";
  if (is(before, "{")) {
    if (is(token, "}")) return isComment(before) ? "\n" : "";
    return isLong(before) ? "\n" : " ";
  }
  if (opener !== undefined) return isLong(opener) || isComment(before) ? "\n" : " ";
  const wanted = "\n".repeat(Math.min(2, breaks));
  if (starts.items.has(token.startOffset)) return wanted === "" ? "\n" : wanted;
  if (isComment(before) || isComment(token)) return wanted;
  if (starts.statements.has(token.startOffset)) return wanted === "" ? "  " : wanted;
  if (breaks > 0 && (is(before, ",") || is(before, "(") || isSign(before) || isSign(token))) return "\n";
  return tight(before, token) ? "" : " ";
}

/** Signs that occur in functions only: an author may break the line beside them. */
const isSign = (token: IToken): boolean => ["Plus", "Minus", "Slash", "Equals"].includes(token.tokenType.name);

/** A minus in front of its operand rather than between two. */
function isNegation(tokens: readonly IToken[], i: number): boolean {
  if (tokens[i]!.tokenType.name !== "Minus") return false;
  const before = tokens.slice(0, i).findLast((token) => !isComment(token));
  return !["Identifier", "UnsignedNumber", "RParen"].includes(before?.tokenType.name ?? "");
}

function tight(before: IToken, token: IToken): boolean {
  if ([",", ")", "."].includes(token.image) || before.image === "(" || before.image === ".") return true;
  return is(token, "(") && before.tokenType.name === "Identifier";
}

/** True for a token (or a comment before one) in the middle of a statement: when it starts a line, it is indented further. */
function continues(tokens: readonly IToken[], i: number, starts: Starts): boolean {
  let next = i;
  while (isComment(tokens[next])) next++;
  const token = tokens[next];
  if (token === undefined || is(token, "}")) return false;
  const first = tokens.find((t) => !isComment(t));
  return token !== first && !starts.items.has(token.startOffset) && !starts.statements.has(token.startOffset);
}

function append(lines: Line[], token: IToken, gap: string, indent: number): void {
  const image = isComment(token) ? token.image.trimEnd() : token.image;
  const last = lines.at(-1);
  if (last === undefined || gap.startsWith("\n")) {
    if (gap === "\n\n" && last !== undefined) lines.push({ code: "", comment: "" });
    lines.push({ code: " ".repeat(indent) + image, comment: "" });
  } else if (isComment(token)) last.comment = image;
  else last.code += gap + image;
}

/** Comments behind code start in one column over a run of lines that have some. */
function alignComments(lines: readonly Line[]): string[] {
  return lines.map((line, i) => {
    if (line.comment === "") return line.code;
    let [first, last] = [i, i];
    while (lines[first - 1] !== undefined && lines[first - 1]!.comment !== "") first--;
    while (lines[last + 1] !== undefined && lines[last + 1]!.comment !== "") last++;
    const width = Math.max(...lines.slice(first, last + 1).map((l) => l.code.length));
    return `${line.code.padEnd(width)}  ${line.comment}`;
  });
}
