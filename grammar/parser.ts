/** The grammar: pure rules that build a concrete syntax tree and nothing else. grammar.md is the same on one page. */
import { type CstNode, CstParser, type IRecognitionException, type IToken, type TokenType } from "chevrotain";
import type { FileCstNode, SequenceCstNode, ValueListCstNode } from "./cst.ts";
import { messages } from "./messages.ts";
import * as t from "./tokens.ts";

/** Signs that a missing one of may be assumed: the tree stays whole and the rest of the file is still checked. */
const INSERTABLE: readonly TokenType[] = [t.LBrace, t.RBrace, t.RParen];

class SpecParser extends CstParser {
  constructor() {
    super(t.TOKENS, { recoveryEnabled: true, nodeLocationTracking: "full", errorMessageProvider: messages, maxLookahead: 2 });
    this.performSelfAnalysis();
  }

  override canTokenTypeBeInsertedInRecovery(type: TokenType): boolean {
    return INSERTABLE.includes(type);
  }

  /** A value stands on the line of its name, so a name without a value does not swallow the next line. */
  private sameLine(): boolean {
    return this.LA(1).startLine === this.LA(0).endLine;
  }

  /** `, d_model 64`: a comma that separates fields, which is an error of its own and not of the value before it. */
  private commaBeforeField(): boolean {
    return this.LA(2).tokenType === t.Identifier && (this.LA(3).tokenType === t.NumberLiteral || this.LA(3).tokenType === t.StringLiteral);
  }

  /** file : version? item* */
  readonly file = this.RULE("file", () => {
    this.OPTION(() => this.SUBRULE(this.version));
    this.MANY(() => this.SUBRULE(this.item));
  });

  /** version : "moeut" NUMBER */
  readonly version = this.RULE("version", () => {
    this.CONSUME(t.Moeut);
    this.CONSUME(t.NumberLiteral);
  });

  /** item : import | model | compare | statement */
  readonly item = this.RULE("item", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.import) },
      { ALT: () => this.SUBRULE(this.model) },
      { ALT: () => this.SUBRULE(this.compare) },
      { ALT: () => this.SUBRULE(this.statement) },
    ]);
  });

  /** import : "import" STRING */
  readonly import = this.RULE("import", () => {
    this.CONSUME(t.Import);
    this.CONSUME(t.StringLiteral);
  });

  /** model : "model" NAME ( "from" NAME )? block */
  readonly model = this.RULE("model", () => {
    this.CONSUME(t.Model);
    this.CONSUME(t.AnyWord);
    this.OPTION(() => {
      this.CONSUME(t.From);
      this.CONSUME2(t.AnyWord);
    });
    this.SUBRULE(this.block);
  });

  /** compare : "compare" NAME block */
  readonly compare = this.RULE("compare", () => {
    this.CONSUME(t.Compare);
    this.CONSUME(t.AnyWord);
    this.SUBRULE(this.block);
  });

  /** block : "{" statement* "}" */
  readonly block = this.RULE("block", () => {
    this.CONSUME(t.LBrace);
    this.MANY(() => this.SUBRULE(this.statement));
    this.CONSUME(t.RBrace);
  });

  /** statement : fn | layer | stack | expect | match | vary | entry */
  readonly statement = this.RULE("statement", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.fn) },
      { ALT: () => this.SUBRULE(this.layer) },
      { ALT: () => this.SUBRULE(this.stack) },
      { ALT: () => this.SUBRULE(this.expect) },
      { ALT: () => this.SUBRULE(this.match) },
      { ALT: () => this.SUBRULE(this.vary) },
      { ALT: () => this.SUBRULE(this.entry) },
    ]);
  });

  /** entry : NAME valueList? clause* block?          the values on the line of the name */
  readonly entry = this.RULE("entry", () => {
    this.CONSUME(t.Identifier);
    this.OPTION({ GATE: () => this.sameLine(), DEF: () => this.SUBRULE(this.valueList) });
    this.MANY(() => this.SUBRULE(this.clause));
    this.OPTION2(() => this.SUBRULE(this.block));
  });

  /** clause : ( "at" | "on" | "in" ) valueList */
  readonly clause = this.RULE("clause", () => {
    this.OR([{ ALT: () => this.CONSUME(t.At) }, { ALT: () => this.CONSUME(t.On) }, { ALT: () => this.CONSUME(t.In) }]);
    this.SUBRULE(this.valueList);
  });

  /** valueList : value ( "," value )* */
  readonly valueList = this.RULE("valueList", () => {
    this.SUBRULE(this.value);
    this.MANY({
      GATE: () => !this.commaBeforeField(),
      DEF: () => {
        this.CONSUME(t.Comma);
        this.SUBRULE2(this.value);
      },
    });
  });

  /** value : NUMBER | STRING | path */
  readonly value = this.RULE("value", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.NumberLiteral) },
      { ALT: () => this.CONSUME(t.StringLiteral) },
      { ALT: () => this.SUBRULE(this.path) },
    ]);
  });

  /** path : NAME ( "." part )* */
  readonly path = this.RULE("path", () => {
    this.CONSUME(t.Identifier);
    this.MANY(() => {
      this.CONSUME(t.Dot);
      this.SUBRULE(this.part);
    });
  });

  /** part : NAME | "at" | "on" */
  readonly part = this.RULE("part", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Identifier) }, { ALT: () => this.CONSUME(t.At) }, { ALT: () => this.CONSUME(t.On) }]);
  });

  /** target : ( "layer" "." )? path          a field anywhere in a model */
  readonly target = this.RULE("target", () => {
    this.OPTION(() => {
      this.CONSUME(t.Layer);
      this.CONSUME(t.Dot);
    });
    this.SUBRULE(this.path);
  });

  /** fn : "fn" NAME "(" NAME ( "," NAME )* ")" "=" sum */
  readonly fn = this.RULE("fn", () => {
    this.CONSUME(t.Fn);
    this.CONSUME(t.AnyWord);
    this.CONSUME(t.LParen);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.CONSUME2(t.AnyWord) });
    this.CONSUME(t.RParen);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.sum);
  });

  /** sum : product ( ( "+" | "-" ) product )* */
  readonly sum = this.RULE("sum", () => {
    this.AT_LEAST_ONE_SEP({ SEP: t.AddSign, DEF: () => this.SUBRULE(this.product) });
  });

  /** product : factor ( ( "*" | "/" ) factor )* */
  readonly product = this.RULE("product", () => {
    this.AT_LEAST_ONE_SEP({ SEP: t.MultiplySign, DEF: () => this.SUBRULE(this.factor) });
  });

  /** factor : "-"? operand */
  readonly factor = this.RULE("factor", () => {
    this.OPTION(() => this.CONSUME(t.Minus));
    this.SUBRULE(this.operand);
  });

  /** operand : NUMBER | NAME arguments? | "(" sum ")"          NAME is a parameter, or a function in front of its arguments */
  readonly operand = this.RULE("operand", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.NumberLiteral) },
      {
        ALT: () => {
          this.CONSUME(t.Identifier);
          this.OPTION(() => this.SUBRULE(this.arguments));
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.LParen);
          this.SUBRULE(this.sum);
          this.CONSUME(t.RParen);
        },
      },
    ]);
  });

  /** arguments : "(" argument ( "," argument )* ")" */
  readonly arguments = this.RULE("arguments", () => {
    this.CONSUME(t.LParen);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.argument) });
    this.CONSUME(t.RParen);
  });

  /** argument : sum ( ( "<" | "<=" | ">" | ">=" ) sum )?          a comparison only as the first of where */
  readonly argument = this.RULE("argument", () => {
    this.SUBRULE(this.sum);
    this.OPTION(() => {
      this.CONSUME(t.CompareSign);
      this.SUBRULE2(this.sum);
    });
  });

  /** layer : "layer" ( "*" | NAME ( "," NAME )* ) block */
  readonly layer = this.RULE("layer", () => {
    this.CONSUME(t.Layer);
    this.OR([
      { ALT: () => this.CONSUME(t.Star) },
      { ALT: () => this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.CONSUME(t.AnyWord) }) },
    ]);
    this.SUBRULE(this.block);
  });

  /** stack : "stack" sequence */
  readonly stack = this.RULE("stack", () => {
    this.CONSUME(t.Stack);
    this.SUBRULE(this.sequence);
  });

  /** sequence : repeat ( "," repeat )* */
  readonly sequence = this.RULE("sequence", () => {
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.repeat) });
  });

  /** repeat : ( NAME group? | group ) ( "*" NUMBER )?          NAME is a layer, or own or core in front of a group */
  readonly repeat = this.RULE("repeat", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Identifier);
          this.OPTION(() => this.SUBRULE(this.group));
        },
      },
      { ALT: () => this.SUBRULE2(this.group) },
    ]);
    this.OPTION2(() => {
      this.CONSUME(t.Star);
      this.CONSUME(t.NumberLiteral);
    });
  });

  /** group : "(" sequence ")" */
  readonly group = this.RULE("group", () => {
    this.CONSUME(t.LParen);
    this.SUBRULE(this.sequence);
    this.CONSUME(t.RParen);
  });

  /** expect : "expect" NAME NUMBER ( "+-" NUMBER )? */
  readonly expect = this.RULE("expect", () => {
    this.CONSUME(t.Expect);
    this.CONSUME(t.Identifier);
    this.CONSUME(t.NumberLiteral);
    this.OPTION(() => {
      this.CONSUME(t.PlusMinus);
      this.CONSUME2(t.NumberLiteral);
    });
  });

  /** match : "match" NAME NAME? ( "by" target )? */
  readonly match = this.RULE("match", () => {
    this.CONSUME(t.Match);
    this.CONSUME(t.Identifier);
    this.OPTION({ GATE: () => this.sameLine(), DEF: () => this.CONSUME2(t.Identifier) });
    this.OPTION2(() => {
      this.CONSUME(t.By);
      this.SUBRULE(this.target);
    });
  });

  /** vary : "vary" ( "stack" | target ) "in" valueList */
  readonly vary = this.RULE("vary", () => {
    this.CONSUME(t.Vary);
    this.OR([
      { ALT: () => this.CONSUME(t.Stack) },
      { ALT: () => this.SUBRULE(this.target) },
    ]);
    this.CONSUME(t.In);
    this.SUBRULE(this.valueList);
  });
}

const parser = new SpecParser();

export const grammarRules = parser.getGAstProductions();

/** Parses a whole file ("file"), or the right-hand side of `--set path=value` ("valueList", "sequence"). */
export function parseTokens(tokens: IToken[], rule: "file"): Parsed<FileCstNode>;
export function parseTokens(tokens: IToken[], rule: "valueList"): Parsed<ValueListCstNode>;
export function parseTokens(tokens: IToken[], rule: "sequence"): Parsed<SequenceCstNode>;
export function parseTokens(tokens: IToken[], rule: "file" | "valueList" | "sequence"): Parsed<CstNode> {
  parser.input = tokens;
  const cst = parser[rule]();
  return { cst, errors: parser.errors };
}

export interface Parsed<Node> {
  /** Undefined only where the rule itself could not be recovered. */
  readonly cst: Node | undefined;
  readonly errors: readonly IRecognitionException[];
}
