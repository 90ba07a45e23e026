/** Words and signs of the WGSL subset. Signs are read one by one where templates could be meant: `>>` is two tokens. */
import { createToken, Lexer, type TokenType } from "chevrotain";

export const Name = createToken({ name: "Name", pattern: /[A-Za-z_][A-Za-z0-9_]*/ });
const DIGITS = /0x[0-9a-fA-F]+[ui]?|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?[fui]?/;
export const NumberLiteral = createToken({ name: "NumberLiteral", pattern: DIGITS });

const word = (pattern: string): TokenType => createToken({ name: `word ${pattern}`, pattern, longer_alt: Name });
const sign = (pattern: string, categories: TokenType[] = []): TokenType => createToken({ name: pattern, pattern, categories });

export const Enable = word("enable");
export const Struct = word("struct");
export const Var = word("var");
export const Let = word("let");
export const Fn = word("fn");
export const If = word("if");
export const Else = word("else");
export const For = word("for");
export const Return = word("return");

/** Signs between two values, but for `>>`; their precedence is the parser's. */
export const Binary = createToken({ name: "Binary", pattern: Lexer.NA });
/** Signs in front of a value. */
export const Unary = createToken({ name: "Unary", pattern: Lexer.NA });
/** `=`, `+=` and their like. */
export const Assign = createToken({ name: "Assign", pattern: Lexer.NA });

export const Increment = sign("++");
export const Arrow = sign("->");
export const Less = sign("<", [Binary]);
export const Greater = sign(">", [Binary]);
export const Equals = sign("=", [Assign]);
export const OpenParen = sign("(");
export const CloseParen = sign(")");
export const OpenBrace = sign("{");
export const CloseBrace = sign("}");
export const OpenBracket = sign("[");
export const CloseBracket = sign("]");
export const Comma = sign(",");
export const Semicolon = sign(";");
export const Colon = sign(":");
export const Dot = sign(".");
export const At = sign("@");

const LONG = ["<<", "==", "!=", "<=", ">=", "&&", "||"].map((pattern) => sign(pattern, [Binary]));
const ASSIGN = ["+=", "-=", "*=", "/=", "|=", "&=", "^="].map((pattern) => sign(pattern, [Assign]));
const SHORT = ["+", "*", "/", "%", "&", "|", "^"].map((pattern) => sign(pattern, [Binary]));
const SIGNS = [sign("-", [Binary, Unary]), sign("!", [Unary]), sign("~", [Unary])];

const Space = createToken({ name: "Space", pattern: /\s+/, group: Lexer.SKIPPED, line_breaks: true });
const Comment = createToken({ name: "Comment", pattern: /\/\/[^\n]*/, group: Lexer.SKIPPED });

export const TOKENS: TokenType[] = [
  Space, Comment, Enable, Struct, Var, Let, Fn, If, Else, For, Return, Name, NumberLiteral, Binary, Unary, Assign,
  Increment, Arrow, ...LONG, ...ASSIGN, ...SHORT, ...SIGNS, Less, Greater, Equals,
  OpenParen, CloseParen, OpenBrace, CloseBrace, OpenBracket, CloseBracket, Comma, Semicolon, Colon, Dot, At,
];

export const wgslLexer = new Lexer(TOKENS, { positionTracking: "onlyStart" });
