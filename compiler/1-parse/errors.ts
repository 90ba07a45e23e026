/** What lexer and parser complain about, as diagnostics. Each function returns or appends the places that are damaged. */
import { EOF, type ILexingResult, type IRecognitionException, type IToken, tokenMatcher, type TokenType } from "chevrotain";
import { CompareSign, Fn, KEYWORDS, LBrace, LParen, RBrace, RParen, Star } from "../../grammar/tokens.ts";
import type { Reporter } from "../diagnostics/index.ts";
import type { SourceText, Span } from "../ir/source.ts";

/** Far more than any model needs, far less than the call stack holds. */
const MAX_DEPTH = 64;

/** True (and reported) if brackets nest too deep to be parsed by recursion. */
export function reportDepth(source: SourceText, tokens: readonly IToken[], report: Reporter): boolean {
  let depth = 0;
  for (const token of tokens) {
    if (token.tokenType === LBrace || token.tokenType === LParen) depth++;
    if (token.tokenType === RBrace || token.tokenType === RParen) depth--;
    if (depth <= MAX_DEPTH) continue;
    report.report("nested-too-deep", span(source, token), { what: "blocks and parentheses", limit: MAX_DEPTH });
    return true;
  }
  return false;
}

/** What is outside the language is reported and skipped: the rest of the line still means what it says. */
export function reportLexing(source: SourceText, lexed: ILexingResult, report: Reporter): Span[] {
  const characters = lexed.errors.map((error) => ({ start: error.offset, end: error.offset + Math.max(1, error.length) }));
  const foreign = (lexed.groups["foreign"] ?? [])
    .map(({ startOffset: start, image }) => ({ start, end: start + shownOf(image) }));
  return [...characters, ...foreign].map(({ start, end }) => {
    const place = { file: source.file, start, end };
    const keyword = FUNCTION.exec(source.text.slice(start, end))?.[0];
    if (keyword !== undefined) {
      report.report("unknown-item", { ...place, end: start + keyword.length }, { name: keyword, nearest: "fn" });
      return place;
    }
    const text = source.text.slice(start, Math.min(end, start + 24));
    report.report("unexpected-character", place, { text, shown: printable(text) });
    return place;
  });
}

/** How much of something foreign is marked: the sign of a comment, or all of it. */
const shownOf = (image: string): number => (image[0] === "#" ? 1 : image[0] === "/" ? 2 : image.length);

/** A function of another language. */
const FUNCTION = /^[a-z]+(?=[ \t]+\w+[ \t]*[(=])/;

const printable = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

export function reportParsing(
  source: SourceText,
  tokens: readonly IToken[],
  errors: readonly IRecognitionException[],
  skippedPlaces: readonly Span[],
  report: Reporter,
): Span[] {
  const open = unclosed(source.text, tokens);
  const broken = new Set<IToken>();
  return errors.map((error) => {
    const found = error.token;
    const skipped = error.resyncedTokens ?? [];
    const here = found.tokenType === EOF ? endOf(source) : span(source, found);
    const last = skipped.at(-1);
    if (open !== null && (found.tokenType === EOF || opensItem(found))) {
      report.report("unclosed-block", span(source, open), { found: name(found) }, [{ span: here, note: "still open here" }]);
      return { ...here, start: open.startOffset };
    }
    // What is left of a function behind its first error is not what it seems.
    const within = functionOf(tokens, found);
    const isFirst = within === null || !broken.has(within);
    if (within !== null) broken.add(within);
    // Behind a character that has been skipped, the complaint is about that.
    if (isFirst && !follows(source.text, here.start, skippedPlaces)) {
      const opened = error.message === "`)`" ? openParenthesis(tokens, found) : null;
      const labels = opened === null ? [] : [{ span: span(source, opened), note: "opened here" }];
      report.report("unexpected-token", here, { found: name(found), expected: error.message, hint: hintFor(error, tokens) }, labels);
    }
    return last === undefined || last.tokenType === EOF ? here : { ...here, end: Math.max(here.end, span(source, last).end) };
  });
}

/** True if nothing but white space lies between a skipped character and the offset. */
const follows = (text: string, offset: number, skippedPlaces: readonly Span[]): boolean =>
  skippedPlaces.some((place) => place.end <= offset && text.slice(place.end, offset).trim() === "");

/** The last `(` before a token that has no `)`. */
function openParenthesis(tokens: readonly IToken[], before: IToken): IToken | null {
  const open: IToken[] = [];
  for (const token of tokens.slice(0, tokens.indexOf(before))) {
    if (token.tokenType === LParen) open.push(token);
    if (token.tokenType === RParen) open.pop();
  }
  return open.at(-1) ?? null;
}

/** The `fn` that a token belongs to, or null. */
function functionOf(tokens: readonly IToken[], token: IToken): IToken | null {
  const before = token.tokenType === EOF ? tokens : tokens.slice(0, tokens.indexOf(token));
  const opener = before.findLast(({ tokenType }) => KEYWORDS.includes(tokenType) || tokenType === LBrace || tokenType === RBrace);
  return opener?.tokenType === Fn ? opener : null;
}

const isKeyword = (type: TokenType): boolean => KEYWORDS.includes(type);
const opensItem = (token: IToken): boolean => ["Model", "Compare", "Import", "Fn"].includes(token.tokenType.name);

function name(token: IToken): string {
  if (token.tokenType === EOF) return "the end of the file";
  return token.image.startsWith("`") ? token.image : `\`${token.image.slice(0, 40)}\``;
}

function hintFor(error: IRecognitionException, tokens: readonly IToken[]): string {
  const found = error.token;
  const type = found.tokenType.name;
  const rule = error.context.ruleStack.at(-1) ?? "";
  const before = tokens[tokens.indexOf(found) - 1];
  if (["repeat", "sequence", "path", "entry"].includes(rule) && isKeyword(found.tokenType))
    return `\`${found.image}\` is a word of the language and names nothing`;
  if (type === "NumberLiteral" && (rule === "repeat" || rule === "sequence")) return "the number of repetitions stands behind: `a * 4`";
  if (error.message === "`)`") return "close the parenthesis with `)`";
  if (type === "NumberLiteral" || type === "StringLiteral" || type === "Comma") {
    const swallowed = before?.tokenType.name === "Identifier" && tokens[tokens.indexOf(before) - 1]?.tokenType.name === "Comma";
    if (swallowed) return "commas stand between the values of one field; between fields, write a space or a line break";
    if (type === "Comma") return "fields are not separated by commas: write a space or a line break";
    return "the values of one field are separated by commas";
  }
  if (type === "RBrace" && (rule === "file" || rule === "")) return "there is one `}` too many";
  if (type === "Star" && before?.tokenType === Star) return "a power is written as a product: `x * x`";
  if (tokenMatcher(found, CompareSign)) return "a comparison stands first in `where`: `where(x < 0, 0, x)`";
  if (rule === "fn" || functionOf(tokens, found) !== null) return "a function is written `fn f(x) = max(x, 0)`";
  if (type === "Star" || type === "LParen") return "`*` and parentheses belong to `stack`: `stack (a, b) * 8`";
  return "";
}

/**
 * The `{` that is most likely the one without its `}`: where indentation and nesting disagree first, else the innermost open one.
 * Null where as many close as open.
 */
function unclosed(text: string, tokens: readonly IToken[]): IToken | null {
  const open: IToken[] = [];
  let suspect: IToken | null = null;
  for (const token of tokens) {
    if (token.tokenType === LBrace) open.push(token);
    if (token.tokenType !== RBrace) continue;
    const opened = open.pop();
    if (opened === undefined) return null;
    if (suspect === null && opened.startLine !== token.startLine && indent(text, token) < indent(text, opened)) suspect = opened;
  }
  const innermost = open.at(-1);
  return innermost === undefined ? null : (suspect ?? innermost);
}

function indent(text: string, token: IToken): number {
  const start = text.lastIndexOf("\n", token.startOffset - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start))![0].length;
}

const span = (source: SourceText, token: IToken): Span => ({
  file: source.file, start: token.startOffset, end: token.startOffset + token.image.length,
});

/** The last character that is not white space, so that the frame shows a line with text. */
function endOf(source: SourceText): Span {
  const end = source.text.trimEnd().length;
  return { file: source.file, start: Math.max(0, end - 1), end };
}
