/** text → SpecAst. Keeps everything the author wrote, with spans; recovers after an error, so one typo does not hide the next. */
import type { IToken } from "chevrotain";
import { type Parsed, parseTokens } from "../../grammar/parser.ts";
import { specLexer } from "../../grammar/tokens.ts";
import type { Reporter } from "../diagnostics/index.ts";
import type { SequenceAst, SpecAst, ValueAst } from "../ir/ast.ts";
import type { SourceText, Span } from "../ir/source.ts";
import { file, sequence, values } from "./build.ts";
import type { Building } from "./pieces.ts";
import { reportDepth, reportLexing, reportParsing } from "./errors.ts";

const EMPTY = { version: null, imports: [], models: [], compares: [], statements: [], comments: [], damage: [] } as const;

export function parse(source: SourceText, report: Reporter): SpecAst {
  const span: Span = { file: source.file, start: 0, end: source.text.length };
  const lexed = specLexer.tokenize(source.text);
  const damage = reportLexing(source, lexed, report);
  if (reportDepth(source, lexed.tokens, report)) return { ...EMPTY, file: source.file, span, damage: [span] };

  const parsed = parseTokens(lexed.tokens, "file");
  damage.push(...reportParsing(source, lexed.tokens, parsed.errors, [...damage], report));
  const comments = (lexed.groups["comments"] ?? []).map((token) => ({ text: token.image, span: tokenSpan(source, token) }));
  const parts = parsed.cst === undefined ? EMPTY : file({ source, report, damage }, parsed.cst);
  return { ...parts, file: source.file, span, comments, damage };
}

/** The values of `--set path=value`; null (and reported) where they are none. */
export function parseValues(source: SourceText, report: Reporter): readonly ValueAst[] | null {
  return parseFragment(source, report, (tokens) => parseTokens(tokens, "valueList"), values);
}

/** The value of `--set stack=…`; null (and reported) where it is none. */
export function parseSequence(source: SourceText, report: Reporter): SequenceAst | null {
  return parseFragment(source, report, (tokens) => parseTokens(tokens, "sequence"), sequence);
}

function parseFragment<Node, Ast>(
  source: SourceText, report: Reporter, parseRule: (tokens: IToken[]) => Parsed<Node>, build: (cx: Building, node: Node) => Ast,
): Ast | null {
  const lexed = specLexer.tokenize(source.text);
  const damage = reportLexing(source, lexed, report);
  if (reportDepth(source, lexed.tokens, report)) return null;
  const { cst, errors } = parseRule(lexed.tokens);
  damage.push(...reportParsing(source, lexed.tokens, errors, [...damage], report));
  const built = cst === undefined ? null : build({ source, report, damage }, cst);
  return damage.length > 0 ? null : built;
}

const tokenSpan = (source: SourceText, token: IToken): Span => ({
  file: source.file, start: token.startOffset, end: token.startOffset + token.image.length,
});
