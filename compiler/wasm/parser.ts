/**
 * The text of a kernel → its syntax, by recursive descent: half of the time that a parser generator's tables take when they are cold, and a
 * first step waits for it.
 */
import type { ArrayVariable, ExpressionSyntax, FunctionSyntax, Module, StatementSyntax } from "./syntax.ts";
import { tokensOf, type Token } from "./tokens.ts";
import type { Type } from "./types.ts";

/** A type as written: its name and what stands in its brackets. */
interface TypeText {
  readonly name: string;
  readonly inside: readonly (TypeText | number)[];
}

/** Operators from loosest to tightest; those of a level go from left to right. */
const LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!=", "<", ">", "<=", ">="], ["<<", ">>"], ["+", "-"], ["*", "/", "%"]];
const LEVEL_OF: ReadonlyMap<string, number> = new Map(LEVELS.flatMap((level, i) => level.map((operator) => [operator, i] as const)));

const ASSIGNMENTS: readonly string[] = ["=", "+=", "-=", "*=", "/=", "|=", "&=", "^="];
const UNARY: readonly string[] = ["-", "!", "~"];

/** Throws an Error that begins with the line of the first thing outside of the subset. */
export const parseWgsl = (text: string): Module => new Parser(text).module();

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(text: string) {
    this.tokens = tokensOf(text);
  }

  module(): Module {
    const [sizes, storage, workgroup, functions]: [string[], ArrayVariable[], ArrayVariable[], FunctionSyntax[]] = [[], [], [], []];
    while (this.peek().kind !== "end") {
      if (this.accept("enable")) {
        this.name();
        this.expect(";");
      } else if (this.accept("struct")) sizes.push(...this.sizesOfStruct());
      else {
        const found = this.attributes();
        if (this.accept("var")) {
          const { space, variable: declared } = this.variable();
          if (space === "storage") storage.push(declared);
          if (space === "workgroup") workgroup.push(declared);
        } else {
          this.expect("fn");
          functions.push(this.functionSyntax(found));
        }
      }
    }
    return { sizes, storage, workgroup, functions };
  }

  private peek(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)]!;
  }

  private sees(sign: string, ahead = 0): boolean {
    return this.peek(ahead).text === sign && this.peek(ahead).kind !== "end";
  }

  private refuse(wanted: string): never {
    throw new Error(`${this.peek().line}: ${wanted} is expected but found is ${this.peek().text}`);
  }

  private next(kind: Token["kind"], wanted: string): Token {
    return this.peek().kind === kind ? this.tokens[this.at++]! : this.refuse(wanted);
  }

  private name(): string {
    return this.next("name", "a name").text;
  }

  private number(): string {
    return this.next("number", "a number").text;
  }

  private accept(text: string): boolean {
    if (!this.sees(text)) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.accept(text)) this.refuse(text);
  }

  /** Elements with commas between them, up to and with the sign that ends them. */
  private list<T>(end: string, element: () => T): readonly T[] {
    const elements: T[] = [];
    while (!this.accept(end)) {
      elements.push(element());
      if (!this.sees(end)) this.expect(",");
    }
    return elements;
  }

  private type(): TypeText {
    return { name: this.name(), inside: this.accept("<") ? this.list(">", () => this.typeOrExtent()) : [] };
  }

  private typeOrExtent(): TypeText | number {
    return this.peek().kind === "number" ? parseInt(this.number(), 10) : this.type();
  }

  private attributes(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    while (this.accept("@")) {
      const attribute = this.name();
      found.set(attribute, "");
      if (this.accept("(")) {
        found.set(attribute, this.peek().kind === "number" ? this.number() : this.name());
        this.expect(")");
      }
    }
    return found;
  }

  private block(): readonly StatementSyntax[] {
    const statements: StatementSyntax[] = [];
    this.expect("{");
    while (!this.accept("}")) statements.push(this.statement());
    return statements;
  }

  private statement(): StatementSyntax {
    const { line } = this.peek();
    if (this.sees("{")) return { kind: "block", line, body: this.block() };
    if (this.accept("if")) return this.conditional(line);
    if (this.accept("for")) return this.loop(line);
    const simple = this.accept("return") ? this.returned(line) : this.simpleStatement();
    this.expect(";");
    return simple;
  }

  private returned(line: number): StatementSyntax {
    return { kind: "return", line, value: this.sees(";") ? null : this.expression() };
  }

  private conditional(line: number): StatementSyntax {
    const [condition, then] = [this.expression(), this.block()];
    const otherwise = !this.accept("else") ? [] : this.accept("if") ? [this.conditional(this.peek().line)] : this.block();
    return { kind: "if", line, condition, then, otherwise };
  }

  private loop(line: number): StatementSyntax {
    this.expect("(");
    const start = this.simpleStatement();
    this.expect(";");
    const condition = this.expression();
    this.expect(";");
    const step = this.simpleStatement();
    this.expect(")");
    return { kind: "for", line, start, condition, step, body: this.block() };
  }

  private simpleStatement(): StatementSyntax {
    const { line, text: word } = this.peek();
    if (this.accept("let") || this.accept("var")) {
      const declared = this.name();
      const given = this.accept(":") ? typeOf(this.type()) : null;
      return { kind: word as "let" | "var", line, name: declared, type: given, value: this.accept("=") ? this.expression() : null };
    }
    const target = this.postfix();
    if (this.accept("++")) return { kind: "assign", line, target, operator: "+", value: { kind: "number", line, text: "1" } };
    const sign = this.peek().text;
    if (!ASSIGNMENTS.includes(sign)) return { kind: "call", line, call: target };
    this.at++;
    return { kind: "assign", line, target, operator: sign === "=" ? null : sign.slice(0, -1), value: this.expression() };
  }

  /** @param loosest the level of the loosest operator that belongs to this expression */
  private expression(loosest = 0): ExpressionSyntax {
    let left = this.unary();
    for (;;) {
      const operator = this.sees(">") && this.sees(">", 1) ? ">>" : this.peek().text;
      const level = this.peek().kind === "sign" ? LEVEL_OF.get(operator) : undefined;
      if (level === undefined || level < loosest) return left;
      this.at += operator === ">>" ? 2 : 1;
      left = { kind: "binary", line: left.line, operator, left, right: this.expression(level + 1) };
    }
  }

  private unary(): ExpressionSyntax {
    const { line, text: operator } = this.peek();
    if (!UNARY.includes(operator)) return this.postfix();
    this.at++;
    return { kind: "unary", line, operator, of: this.unary() };
  }

  private postfix(): ExpressionSyntax {
    let value = this.primary();
    for (;;) {
      const { line } = value;
      if (this.accept(".")) value = { kind: "member", line, of: value, name: this.name() };
      else if (this.accept("[")) {
        value = { kind: "index", line, of: value, index: this.expression() };
        this.expect("]");
      } else return value;
    }
  }

  private primary(): ExpressionSyntax {
    const { line, kind, text: word } = this.peek();
    if (kind === "number") return { kind: "number", line, text: this.number() };
    if (this.accept("(")) {
      const value = this.expression();
      this.expect(")");
      return value;
    }
    const isTemplate = this.sees("<", 1) && /^(?:bitcast|vec[234])$/.test(word); // every other `<` compares
    if (!isTemplate && !this.sees("(", 1)) return { kind: "name", line, name: this.name() };
    const callee = this.type();
    this.expect("(");
    const values = this.list(")", () => this.expression());
    if (callee.name === "bitcast") return { kind: "call", line, callee: callee.name, type: typeOf(callee.inside[0] as TypeText), values };
    return { kind: "call", line, callee: callee.inside.length === 0 ? callee.name : typeOf(callee), type: null, values };
  }

  private sizesOfStruct(): readonly string[] {
    this.name();
    this.expect("{");
    return this.list("}", () => {
      const field = this.name();
      this.expect(":");
      this.name();
      return field;
    });
  }

  private variable(): { readonly space: string; readonly variable: ArrayVariable } {
    this.expect("<");
    const [space, access] = this.list(">", () => this.name());
    const declared = this.name();
    this.expect(":");
    const of = arrayOf(this.type());
    this.expect(";");
    return { space: space!, variable: { name: declared, ...of, written: access !== "read" } };
  }

  private functionSyntax(found: ReadonlyMap<string, string>): FunctionSyntax {
    const { line } = this.peek();
    const declared = this.name();
    this.expect("(");
    const parameters = this.list(")", () => {
      const builtin = this.attributes().get("builtin") ?? null;
      const parameter = this.name();
      this.expect(":");
      return { name: parameter, type: typeOf(this.type()), builtin };
    });
    const result = this.accept("->") ? typeOf(this.type()) : null;
    const workgroupSize = found.has("compute") ? Number(found.get("workgroup_size")) : null;
    return { name: declared, parameters, result, workgroupSize, line, body: this.block() };
  }
}

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
