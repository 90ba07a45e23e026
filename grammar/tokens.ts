/** The words and signs of the language. Only words that shape a statement are reserved; field names are identifiers. */
import { createToken, Lexer, type TokenType } from "chevrotain";

/** Where a model or layer is named: an identifier, or a word of the language, which the visitor refuses with a message of its own. */
export const AnyWord = createToken({ name: "AnyWord", label: "a name", pattern: Lexer.NA });

export const Identifier = createToken({ name: "Identifier", label: "a name", pattern: /[A-Za-z_][A-Za-z0-9_]*/, categories: AnyWord });

const word = (name: string, categories: TokenType[] = [AnyWord]): TokenType =>
  createToken({ name: name[0]!.toUpperCase() + name.slice(1), label: `\`${name}\``, pattern: new RegExp(name), longer_alt: Identifier, categories });

const sign = (name: string, pattern: string): TokenType => createToken({ name, label: `\`${pattern}\``, pattern });

/** Special only in the first line; elsewhere a name like others. */
export const Moeut = word("moeut", [AnyWord, Identifier]);
export const Import = word("import");
export const Model = word("model");
export const From = word("from");
export const Compare = word("compare");
export const Layer = word("layer");
export const Stack = word("stack");
export const Expect = word("expect");
export const Match = word("match");
export const By = word("by");
export const Vary = word("vary");
export const In = word("in");
export const At = word("at");
export const On = word("on");

/** Whatever starts like a number; the visitor says whether it is one, so that `10k` gets a message of its own. */
export const NumberLiteral = createToken({
  name: "NumberLiteral",
  label: "a number",
  pattern: /-?\.?[0-9](?:[eE][+-]?[0-9]|[0-9A-Za-z_]|\.[0-9])*/,
});

/** Ends with its line at the latest; the visitor misses the closing quote. */
export const StringLiteral = createToken({ name: "StringLiteral", label: "a string", pattern: /"(?:[^"\\\r\n]|\\[^\r\n])*"?/ });

export const PlusMinus = createToken({ name: "PlusMinus", label: "`+-`", pattern: /\+-|±/ });
export const LBrace = sign("LBrace", "{");
export const RBrace = sign("RBrace", "}");
export const LParen = sign("LParen", "(");
export const RParen = sign("RParen", ")");
export const Comma = sign("Comma", ",");
export const Star = sign("Star", "*");
export const Dot = sign("Dot", ".");

const Comment = createToken({ name: "Comment", pattern: /\/\/[^\r\n]*/, group: "comments" });
/** Comments of other languages: reported, and skipped as a whole. */
const ForeignComment = createToken({ name: "ForeignComment", pattern: /#[^\r\n]*|\/\*[^]*?\*\//, group: "foreignComments", line_breaks: true });
const Space = createToken({ name: "Space", pattern: /[\s\uFEFF]+/, group: Lexer.SKIPPED, line_breaks: true });

/** Keywords before Identifier, the sign of a number before its digits. */
export const TOKENS: TokenType[] = [
  AnyWord, Space, Comment, ForeignComment,
  Moeut, Import, Model, From, Compare, Layer, Stack, Expect, Match, By, Vary, In, At, On,
  Identifier, PlusMinus, NumberLiteral, StringLiteral,
  LBrace, RBrace, LParen, RParen, Comma, Star, Dot,
];

/** Words that cannot name a model or a layer. */
export const KEYWORDS: readonly TokenType[] = [Import, Model, From, Compare, Layer, Stack, Expect, Match, By, Vary, In, At, On];

export const specLexer = new Lexer(TOKENS, { positionTracking: "full", ensureOptimizations: false });
