/** What the parser expected, in the author's words. The phase behind it turns this into diagnostics. */
import { EOF, type IParserErrorMessageProvider, type TokenType, tokenLabel } from "chevrotain";

const OPERAND = "a number, a parameter, a function or `(`";

/** Where several things may follow, the parser's own list would be long and full of technicalities. */
const EXPECTED: Readonly<Record<string, string>> = {
  file: "`model`, `compare`, `fn`, `import` or `train`",
  item: "`model`, `compare`, `fn`, `import` or `train`",
  block: "a field or `}`",
  statement: "a field",
  value: "a value",
  clause: "a value",
  layer: "`*` or the name of a layer",
  sequence: "a layer or `(`",
  repeat: "a layer or `(`",
  fn: "the name of a parameter",
  sum: OPERAND,
  product: OPERAND,
  operand: OPERAND,
  arguments: OPERAND,
};

const describe = (expected: TokenType, ruleName: string): string => {
  if (expected === EOF) return EXPECTED["file"]!;
  if (expected.name === "RBrace") return EXPECTED["block"]!;
  return (expected.name === "Identifier" ? EXPECTED[ruleName] : undefined) ?? tokenLabel(expected);
};

export const messages: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected, ruleName }) => describe(expected, ruleName),
  buildNotAllInputParsedMessage: () => EXPECTED["file"]!,
  buildNoViableAltMessage: ({ ruleName }) => EXPECTED[ruleName] ?? ruleName,
  buildEarlyExitMessage: ({ ruleName }) => EXPECTED[ruleName] ?? ruleName,
};
