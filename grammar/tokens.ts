/**
 * The words and signs of the language. Only words that shape a statement are reserved; field names are identifiers.
 * Behind `fn` other signs mean something than in statements (`-` is an operator there and part of a number elsewhere), so the lexer
 * has two modes: `fn` begins the second, the next brace ends it.
 */
import { createToken, Lexer, type TokenType } from "chevrotain";

/** Where a model or layer is named: an identifier, or a word of the language, which the visitor refuses with a message of its own. */
export const AnyWord = createToken({ name: "AnyWord", label: "a name", pattern: Lexer.NA });

export const Identifier = createToken({ name: "Identifier", label: "a name", pattern: /[A-Za-z_][A-Za-z0-9_]*/, categories: AnyWord });

const [STATEMENTS, FUNCTION] = ["statements", "function"];

const word = (name: string, categories: TokenType[] = [AnyWord], more: { readonly push_mode?: string } = {}): TokenType =>
  createToken({
    name: name[0]!.toUpperCase() + name.slice(1), label: `\`${name}\``, pattern: new RegExp(name), longer_alt: Identifier, categories,
    ...more,
  });

const sign = (name: string, pattern: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, label: `\`${pattern}\``, pattern, categories });

/** Special only in the first line; elsewhere a name like others. */
export const Moeut = word("moeut", [AnyWord, Identifier]);
export const Import = word("import");
export const Fn = word("fn", [AnyWord], { push_mode: FUNCTION });
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

/**
 * Whatever starts like a number; the visitor says whether it is one, so that `10k` and `1e−3` with a typographic minus get a message of
 * their own.
 */
const UNSIGNED = /\.?[0-9](?:[eE][+\-\u2010-\u2015\u2212]?[0-9]|[0-9A-Za-z_]|\.[0-9])*/;
export const NumberLiteral = createToken({ name: "NumberLiteral", label: "a number", pattern: new RegExp(`-?${UNSIGNED.source}`) });
/** In functions, where a sign in front is an operator: `x -1` is a difference. */
const UnsignedNumber = createToken({ name: "UnsignedNumber", label: "a number", pattern: UNSIGNED, categories: NumberLiteral });

/** Ends with its line at the latest; the visitor misses the closing quote. */
export const StringLiteral = createToken({ name: "StringLiteral", label: "a string", pattern: /"(?:[^"\\\r\n]|\\[^\r\n])*"?/ });

export const PlusMinus = createToken({ name: "PlusMinus", label: "`+-`", pattern: /\+-|±/ });
export const LBrace = createToken({ name: "LBrace", label: "`{`", pattern: "{", push_mode: STATEMENTS });
export const RBrace = createToken({ name: "RBrace", label: "`}`", pattern: "}", push_mode: STATEMENTS });
export const LParen = sign("LParen", "(");
export const RParen = sign("RParen", ")");
export const Comma = sign("Comma", ",");
/** Operators of one precedence; the members of a category are one list of tokens in the tree, in the order of the text. */
export const AddSign = createToken({ name: "AddSign", label: "`+` or `-`", pattern: Lexer.NA });
export const MultiplySign = createToken({ name: "MultiplySign", label: "`*` or `/`", pattern: Lexer.NA });
export const CompareSign = createToken({ name: "CompareSign", label: "a comparison", pattern: Lexer.NA });
export const Star = sign("Star", "*", [MultiplySign]);
export const Dot = sign("Dot", ".");
export const Plus = sign("Plus", "+", [AddSign]);
export const Minus = sign("Minus", "-", [AddSign]);
export const Slash = sign("Slash", "/", [MultiplySign]);
export const Equals = sign("Equals", "=");
const AtMost = sign("AtMost", "<=", [CompareSign]);
const AtLeast = sign("AtLeast", ">=", [CompareSign]);
const Below = sign("Below", "<", [CompareSign]);
const Above = sign("Above", ">", [CompareSign]);

const Comment = createToken({ name: "Comment", pattern: /\/\/[^\r\n]*/, group: "comments" });
/** Of words in other alphabets, or with accents. */
const LETTERS = "\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u024f\\u0370-\\u1fff\\u2c00-\\ud7ff\\uf900-\\ufdff";
/** Comments and functions of other languages, strings in other quotes, and words with other letters: reported, and skipped as a whole. */
const FOREIGN = [
  /(?:function|func|fun|def|let|const)[ \t]+\w+[ \t]*[(=](?:[^{\r\n]*\{[^{}]*\}|[^\r\n]*)/,
  /#[^\r\n]*/, /\/\*[^]*?\*\//,
  /'[^'\r\n]*'/, /[\u2018-\u201b][^\u2018-\u201b\r\n]*[\u2018-\u201b]/,
  /[\u201c-\u201f\xab\xbb][^\u201c-\u201f\xab\xbb"\r\n]*[\u201c-\u201f\xab\xbb"]/,
  new RegExp(`\\w*[${LETTERS}][\\w${LETTERS}]*`),
];
const Foreign = createToken({
  name: "Foreign", group: "foreign", line_breaks: true, pattern: new RegExp(FOREIGN.map(({ source }) => source).join("|")),
});
const Space = createToken({ name: "Space", pattern: /[\s\uFEFF]+/, group: Lexer.SKIPPED, line_breaks: true });

/** Words that cannot name a model, a layer, a function or a parameter. */
export const KEYWORDS: readonly TokenType[] = [Import, Fn, Model, From, Compare, Layer, Stack, Expect, Match, By, Vary, In, At, On];

/**
 * Keywords before Identifier; in statements the sign of a number before its digits, in functions comments before `/` and long signs before
 * short ones.
 */
const EVERYWHERE = [
  AnyWord, Space, Comment, Foreign, Moeut, ...KEYWORDS, Identifier, LBrace, RBrace, LParen, RParen, Comma, MultiplySign, Star,
  StringLiteral,
];
const MODES: Readonly<Record<string, TokenType[]>> = {
  [STATEMENTS]: [...EVERYWHERE, PlusMinus, NumberLiteral, Dot],
  [FUNCTION]: [...EVERYWHERE, UnsignedNumber, AddSign, Plus, Minus, Slash, CompareSign, AtMost, AtLeast, Below, Above, Equals],
};

export const TOKENS: TokenType[] = [...new Set(Object.values(MODES).flat())];

export const specLexer = new Lexer(
  { modes: { ...MODES }, defaultMode: STATEMENTS }, { positionTracking: "full", ensureOptimizations: false });
