/** The text of a kernel → its syntax. */
import { EmbeddedActionsParser, type IToken } from "chevrotain";
import type { ArrayVariable, ExpressionSyntax, FunctionSyntax, Module, StatementSyntax } from "./syntax.ts";
import * as t from "./tokens.ts";
import type { Type } from "./types.ts";

/** A type as written: its name and what stands in its brackets. */
interface TypeText {
  readonly name: string;
  readonly inside: readonly (TypeText | number)[];
}

type Global = { readonly space: string; readonly variable: ArrayVariable } | { readonly sizes: readonly string[] } | FunctionSyntax;

/** Operators from loosest to tightest, as the subset mixes them; those of a level go from left to right. */
const LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!=", "<", ">", "<=", ">="], ["<<", ">>"], ["+", "-"], ["*", "/", "%"]];
const levelOf = (operator: string): number => LEVELS.findIndex((level) => level.includes(operator));

class WgslParser extends EmbeddedActionsParser {
  constructor() {
    super(t.TOKENS, { maxLookahead: 2 });
    this.performSelfAnalysis();
  }

  /** A list with commas between its elements, perhaps none. */
  private list<T>(element: () => T): readonly T[] {
    const elements: T[] = [];
    this.MANY_SEP({ SEP: t.Comma, DEF: () => { elements.push(element()); } });
    return elements;
  }

  /** module : ( enable | struct | attributes ( variable | function ) )* */
  readonly module = this.RULE("module", (): readonly Global[] => {
    const globals: Global[] = [];
    this.MANY(() => this.OR([
      { ALT: () => this.SUBRULE(this.enable) },
      { ALT: () => { globals.push(this.SUBRULE(this.struct)); } },
      { ALT: () => {
        const attributes = this.SUBRULE(this.attributes);
        this.OR2([
          { ALT: () => { globals.push(this.SUBRULE(this.variable)); } },
          { ALT: () => { globals.push(this.SUBRULE(this.function, { ARGS: [attributes] })); } },
        ]);
      } },
    ]));
    return globals;
  });

  /** enable : "enable" NAME ";" */
  private readonly enable = this.RULE("enable", () => {
    this.CONSUME(t.Enable);
    this.CONSUME(t.Name);
    this.CONSUME(t.Semicolon);
  });

  /** struct : "struct" NAME "{" ( NAME ":" NAME )* "}", all words of the uniform block */
  private readonly struct = this.RULE("struct", (): Global => {
    this.CONSUME(t.Struct);
    this.CONSUME(t.Name);
    this.CONSUME(t.OpenBrace);
    const sizes = this.list(() => {
      const name = this.CONSUME2(t.Name).image;
      this.CONSUME(t.Colon);
      this.CONSUME3(t.Name);
      return name;
    });
    this.CONSUME(t.CloseBrace);
    return { sizes };
  });

  /** attributes : ( "@" NAME ( "(" ( NAME | NUMBER ) ")" )? )* */
  private readonly attributes = this.RULE("attributes", (): ReadonlyMap<string, string> => {
    const found = new Map<string, string>();
    this.MANY(() => {
      this.CONSUME(t.At);
      const name = this.CONSUME(t.Name).image;
      found.set(name, "");
      this.OPTION(() => {
        this.CONSUME(t.OpenParen);
        found.set(name, this.OR([{ ALT: () => this.CONSUME2(t.Name).image }, { ALT: () => this.CONSUME(t.NumberLiteral).image }]));
        this.CONSUME(t.CloseParen);
      });
    });
    return found;
  });

  /** variable : "var" "<" NAME ( "," NAME )? ">" NAME ":" type ";" */
  private readonly variable = this.RULE("variable", (): Global => {
    this.CONSUME(t.Var);
    this.CONSUME(t.Less);
    const space = this.CONSUME(t.Name).image;
    const access = this.OPTION(() => {
      this.CONSUME(t.Comma);
      return this.CONSUME2(t.Name).image;
    });
    this.CONSUME(t.Greater);
    const name = this.CONSUME3(t.Name).image;
    this.CONSUME(t.Colon);
    const type = this.SUBRULE(this.type);
    this.CONSUME(t.Semicolon);
    return this.ACTION(() => ({ space, variable: { name, ...arrayOf(type), written: access !== "read" } }));
  });

  /** function : "fn" NAME "(" parameters ")" ( "->" type )? block */
  private readonly function = this.RULE("function", (attributes: ReadonlyMap<string, string>): Global => {
    this.CONSUME(t.Fn);
    const name = this.CONSUME(t.Name);
    this.CONSUME(t.OpenParen);
    const parameters = this.list(() => {
      const builtin = this.SUBRULE(this.attributes);
      const parameter = this.CONSUME2(t.Name).image;
      this.CONSUME(t.Colon);
      const type = this.SUBRULE(this.type);
      return this.ACTION(() => ({ name: parameter, type: typeOf(type), builtin: builtin.get("builtin") ?? null }));
    });
    this.CONSUME(t.CloseParen);
    const result = this.OPTION(() => {
      this.CONSUME(t.Arrow);
      return this.SUBRULE2(this.type);
    });
    const body = this.SUBRULE(this.block);
    return this.ACTION(() => ({
      name: name.image, parameters, result: result === undefined ? null : typeOf(result), body, line: lineOf(name),
      workgroupSize: attributes.has("compute") ? Number(attributes.get("workgroup_size")) : null,
    }));
  });

  /** type : NAME ( "<" ( type | NUMBER ) ( "," … )* ">" )? */
  private readonly type = this.RULE("type", (): TypeText => {
    const name = this.CONSUME(t.Name).image;
    const inside: (TypeText | number)[] = [];
    this.OPTION(() => {
      this.CONSUME(t.Less);
      inside.push(...this.list(() => this.OR([
        { ALT: (): TypeText | number => this.SUBRULE(this.type) },
        { ALT: () => parseInt(this.CONSUME(t.NumberLiteral).image, 10) },
      ])));
      this.CONSUME(t.Greater);
    });
    return { name, inside };
  });

  private readonly block = this.RULE("block", (): readonly StatementSyntax[] => {
    const statements: StatementSyntax[] = [];
    this.CONSUME(t.OpenBrace);
    this.MANY(() => { statements.push(this.SUBRULE(this.statement)); });
    this.CONSUME(t.CloseBrace);
    return statements;
  });

  /** statement : block | if | for | "return" expression? ";" | simple ";" */
  private readonly statement = this.RULE("statement", (): StatementSyntax => {
    const line = lineOf(this.LA(1));
    return this.OR<StatementSyntax>([
      { ALT: () => ({ kind: "block", line, body: this.SUBRULE(this.block) }) },
      { ALT: () => this.SUBRULE(this.if) },
      { ALT: () => this.SUBRULE(this.for) },
      { ALT: () => {
        this.CONSUME(t.Return);
        const value = this.OPTION(() => this.SUBRULE(this.expression)) ?? null;
        this.CONSUME(t.Semicolon);
        return { kind: "return", line, value };
      } },
      { ALT: () => {
        const simple = this.SUBRULE(this.simple);
        this.CONSUME2(t.Semicolon);
        return simple;
      } },
    ]);
  });

  private readonly if = this.RULE("if", (): StatementSyntax => {
    const line = lineOf(this.CONSUME(t.If));
    const condition = this.SUBRULE(this.expression);
    const then = this.SUBRULE(this.block);
    let otherwise: readonly StatementSyntax[] = [];
    this.OPTION(() => {
      this.CONSUME(t.Else);
      otherwise = this.OR<readonly StatementSyntax[]>([{ ALT: () => [this.SUBRULE2(this.if)] }, { ALT: () => this.SUBRULE2(this.block) }]);
    });
    return { kind: "if", line, condition, then, otherwise };
  });

  /** for : "for" "(" simple ";" expression ";" simple ")" block */
  private readonly for = this.RULE("for", (): StatementSyntax => {
    const line = lineOf(this.CONSUME(t.For));
    this.CONSUME(t.OpenParen);
    const start = this.SUBRULE(this.simple);
    this.CONSUME(t.Semicolon);
    const condition = this.SUBRULE(this.expression);
    this.CONSUME2(t.Semicolon);
    const step = this.SUBRULE2(this.simple);
    this.CONSUME(t.CloseParen);
    return { kind: "for", line, start, condition, step, body: this.SUBRULE(this.block) };
  });

  /** simple : ( "let" | "var" ) NAME ( ":" type )? ( "=" expression )? | postfix ( "++" | "=" expression | "+=" expression )? */
  private readonly simple = this.RULE("simple", (): StatementSyntax => {
    const line = lineOf(this.LA(1));
    return this.OR<StatementSyntax>([
      { ALT: () => {
        const kind = this.OR2([{ ALT: () => this.CONSUME(t.Let) }, { ALT: () => this.CONSUME(t.Var) }]).image as "let" | "var";
        const name = this.CONSUME(t.Name).image;
        const type = this.OPTION(() => {
          this.CONSUME(t.Colon);
          return this.SUBRULE(this.type);
        });
        const value = this.OPTION2(() => {
          this.CONSUME(t.Equals);
          return this.SUBRULE(this.expression);
        }) ?? null;
        return this.ACTION(() => ({ kind, line, name, type: type === undefined ? null : typeOf(type), value }));
      } },
      { ALT: () => {
        const target = this.SUBRULE(this.postfix);
        return this.OR3<StatementSyntax>([
          { ALT: () => {
            this.CONSUME(t.Increment);
            return { kind: "assign", line, target, operator: "+", value: { kind: "number", line, text: "1" } };
          } },
          { ALT: () => {
            const operator = this.CONSUME(t.Assign).image.slice(0, -1);
            return { kind: "assign", line, target, operator: operator === "" ? null : operator, value: this.SUBRULE2(this.expression) };
          } },
          { ALT: () => ({ kind: "call", line, call: target }) },
        ]);
      } },
    ]);
  });

  /** expression : unary ( BINARY unary )* */
  private readonly expression = this.RULE("expression", (): ExpressionSyntax => {
    const values = [this.SUBRULE(this.unary)];
    const operators: string[] = [];
    this.MANY(() => {
      operators.push(this.OR([
        { GATE: () => this.LA(2).tokenType === t.Greater, ALT: () => this.CONSUME(t.Greater).image + this.CONSUME2(t.Greater).image },
        { ALT: () => this.CONSUME(t.Binary).image },
      ]));
      values.push(this.SUBRULE2(this.unary));
    });
    return this.ACTION(() => folded(values, operators));
  });

  private readonly unary = this.RULE("unary", (): ExpressionSyntax => this.OR<ExpressionSyntax>([
    { ALT: () => {
      const sign = this.CONSUME(t.Unary);
      return { kind: "unary", line: lineOf(sign), operator: sign.image, of: this.SUBRULE(this.unary) };
    } },
    { ALT: () => this.SUBRULE(this.postfix) },
  ]));

  /** postfix : primary ( "." NAME | "[" expression "]" )* */
  private readonly postfix = this.RULE("postfix", (): ExpressionSyntax => {
    let value = this.SUBRULE(this.primary);
    this.MANY(() => {
      const { line } = value;
      value = this.OR<ExpressionSyntax>([
        { ALT: () => {
          this.CONSUME(t.Dot);
          return { kind: "member", line, of: value, name: this.CONSUME(t.Name).image };
        } },
        { ALT: () => {
          this.CONSUME(t.OpenBracket);
          const index = this.SUBRULE(this.expression);
          this.CONSUME(t.CloseBracket);
          return { kind: "index", line, of: value, index };
        } },
      ]);
    });
    return value;
  });

  /** primary : NUMBER | "(" expression ")" | NAME | NAME ( "<" type ">" )? "(" values ")" */
  private readonly primary = this.RULE("primary", (): ExpressionSyntax => {
    const line = lineOf(this.LA(1));
    return this.OR<ExpressionSyntax>([
      { ALT: () => ({ kind: "number", line, text: this.CONSUME(t.NumberLiteral).image }) },
      { ALT: () => {
        this.CONSUME(t.OpenParen);
        const value = this.SUBRULE(this.expression);
        this.CONSUME(t.CloseParen);
        return value;
      } },
      { GATE: () => !this.isCall(), ALT: () => ({ kind: "name", line, name: this.CONSUME(t.Name).image }) },
      { ALT: () => this.SUBRULE(this.call) },
    ]);
  });

  /** `bitcast<` and `vec4<` begin a template, all other `<` compare. */
  private isCall(): boolean {
    const { tokenType } = this.LA(2);
    return tokenType === t.OpenParen || (tokenType === t.Less && /^(?:bitcast|vec[234])$/.test(this.LA(1).image));
  }

  private readonly call = this.RULE("call", (): ExpressionSyntax => {
    const line = lineOf(this.LA(1));
    const name = this.SUBRULE(this.type);
    this.CONSUME(t.OpenParen);
    const values = this.list(() => this.SUBRULE(this.expression));
    this.CONSUME(t.CloseParen);
    return this.ACTION(() => (name.name === "bitcast"
      ? { kind: "call", line, callee: "bitcast", type: typeOf(name.inside[0] as TypeText), values }
      : { kind: "call", line, callee: name.inside.length === 0 ? name.name : typeOf(name), type: null, values }));
  });
}

const lineOf = (token: IToken): number => token.startLine ?? 0;

/** Names of types as types.ts has them: vec4<bool> is vec4b. */
function typeOf({ name, inside: [element] }: TypeText): Type {
  return (typeof element === "object" ? `${name}${element.name[0]!}` : name) as Type;
}

/** The type of a variable: `array<array<f32, 8>, 2>` has elements f32 and extents 2, 8; `array<f32>` the extent 0. */
function arrayOf(type: TypeText): Pick<ArrayVariable, "element" | "extents"> {
  if (type.name !== "array") return { element: typeOf(type), extents: [] };
  const [of, extent] = type.inside as [TypeText, number?];
  const { element, extents } = arrayOf(of);
  return { element, extents: [extent ?? 0, ...extents] };
}

/** Values with operators between them as a tree, tighter operators first. */
function folded(values: readonly ExpressionSyntax[], operators: readonly string[]): ExpressionSyntax {
  if (operators.length === 0) return values[0]!;
  const loosest = Math.min(...operators.map(levelOf));
  const at = operators.findLastIndex((operator) => levelOf(operator) === loosest);
  const [left, right] = [folded(values.slice(0, at + 1), operators.slice(0, at)), folded(values.slice(at + 1), operators.slice(at + 1))];
  return { kind: "binary", line: left.line, operator: operators[at]!, left, right };
}

const parser = new WgslParser();

/** Throws an Error with the line of the first thing that is outside the subset. */
export function parseWgsl(text: string): Module {
  const { tokens, errors } = t.wgslLexer.tokenize(text);
  if (errors.length > 0) throw new Error(`${errors[0]!.line}: ${errors[0]!.message}`);
  parser.input = tokens;
  const globals = parser.module();
  const [error] = parser.errors;
  if (error !== undefined) throw new Error(`${error.token.startLine ?? "end"}: ${error.message}`);
  const variables = (space: string): readonly ArrayVariable[] =>
    globals.flatMap((g) => ("space" in g && g.space === space ? [g.variable] : []));
  return {
    sizes: globals.flatMap((g) => ("sizes" in g ? g.sizes : [])),
    storage: variables("storage"), workgroup: variables("workgroup"),
    functions: globals.flatMap((g) => ("parameters" in g ? [g] : [])),
  };
}
