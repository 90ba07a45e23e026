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
export function parseWgsl(text: string): Module {
  const tokens = tokensOf(text);
  let at = 0;

  const peek = (ahead = 0): Token => tokens[Math.min(at + ahead, tokens.length - 1)]!;
  const sees = (sign: string, ahead = 0): boolean => peek(ahead).text === sign && peek(ahead).kind !== "end";
  const refuse = (wanted: string): never => {
    throw new Error(`${peek().line}: ${wanted} is expected but found is ${peek().text}`);
  };
  const next = (kind: Token["kind"], wanted: string): Token => (peek().kind === kind ? tokens[at++]! : refuse(wanted));
  const name = (): string => next("name", "a name").text;
  const number = (): string => next("number", "a number").text;
  const accept = (text: string): boolean => {
    if (!sees(text)) return false;
    at++;
    return true;
  };
  const expect = (text: string): void => {
    if (!accept(text)) refuse(text);
  };
  /** Elements with commas between them, up to and with the sign that ends them. */
  const list = <T>(end: string, element: () => T): readonly T[] => {
    const elements: T[] = [];
    while (!accept(end)) {
      elements.push(element());
      if (!sees(end)) expect(",");
    }
    return elements;
  };

  const type = (): TypeText => ({ name: name(), inside: accept("<") ? list(">", typeOrExtent) : [] });
  const typeOrExtent = (): TypeText | number => (peek().kind === "number" ? parseInt(number(), 10) : type());
  const attributes = (): ReadonlyMap<string, string> => {
    const found = new Map<string, string>();
    while (accept("@")) {
      const attribute = name();
      found.set(attribute, "");
      if (accept("(")) {
        found.set(attribute, peek().kind === "number" ? number() : name());
        expect(")");
      }
    }
    return found;
  };

  const block = (): readonly StatementSyntax[] => {
    const statements: StatementSyntax[] = [];
    expect("{");
    while (!accept("}")) statements.push(statement());
    return statements;
  };
  const statement = (): StatementSyntax => {
    const { line } = peek();
    if (sees("{")) return { kind: "block", line, body: block() };
    if (accept("if")) return conditional(line);
    if (accept("for")) return loop(line);
    const simple = accept("return") ? returned(line) : simpleStatement();
    expect(";");
    return simple;
  };
  const returned = (line: number): StatementSyntax => ({ kind: "return", line, value: sees(";") ? null : expression() });
  const conditional = (line: number): StatementSyntax => {
    const [condition, then] = [expression(), block()];
    const otherwise = !accept("else") ? [] : accept("if") ? [conditional(peek().line)] : block();
    return { kind: "if", line, condition, then, otherwise };
  };
  const loop = (line: number): StatementSyntax => {
    expect("(");
    const start = simpleStatement();
    expect(";");
    const condition = expression();
    expect(";");
    const step = simpleStatement();
    expect(")");
    return { kind: "for", line, start, condition, step, body: block() };
  };
  const simpleStatement = (): StatementSyntax => {
    const { line, text: word } = peek();
    if (accept("let") || accept("var")) {
      const declared = name();
      const given = accept(":") ? typeOf(type()) : null;
      return { kind: word as "let" | "var", line, name: declared, type: given, value: accept("=") ? expression() : null };
    }
    const target = postfix();
    if (accept("++")) return { kind: "assign", line, target, operator: "+", value: { kind: "number", line, text: "1" } };
    const sign = peek().text;
    if (!ASSIGNMENTS.includes(sign)) return { kind: "call", line, call: target };
    at++;
    return { kind: "assign", line, target, operator: sign === "=" ? null : sign.slice(0, -1), value: expression() };
  };

  /** @param loosest the level of the loosest operator that belongs to this expression */
  const expression = (loosest = 0): ExpressionSyntax => {
    let left = unary();
    for (;;) {
      const operator = sees(">") && sees(">", 1) ? ">>" : peek().text;
      const level = peek().kind === "sign" ? LEVEL_OF.get(operator) : undefined;
      if (level === undefined || level < loosest) return left;
      at += operator === ">>" ? 2 : 1;
      left = { kind: "binary", line: left.line, operator, left, right: expression(level + 1) };
    }
  };
  const unary = (): ExpressionSyntax => {
    const { line, text: operator } = peek();
    if (!UNARY.includes(operator)) return postfix();
    at++;
    return { kind: "unary", line, operator, of: unary() };
  };
  const postfix = (): ExpressionSyntax => {
    let value = primary();
    for (;;) {
      const { line } = value;
      if (accept(".")) value = { kind: "member", line, of: value, name: name() };
      else if (accept("[")) {
        value = { kind: "index", line, of: value, index: expression() };
        expect("]");
      } else return value;
    }
  };
  const primary = (): ExpressionSyntax => {
    const { line, kind, text: word } = peek();
    if (kind === "number") return { kind: "number", line, text: number() };
    if (accept("(")) {
      const value = expression();
      expect(")");
      return value;
    }
    const isTemplate = sees("<", 1) && /^(?:bitcast|vec[234])$/.test(word); // every other `<` compares
    if (!isTemplate && !sees("(", 1)) return { kind: "name", line, name: name() };
    const callee = type();
    expect("(");
    const values = list(")", () => expression());
    if (callee.name === "bitcast") return { kind: "call", line, callee: callee.name, type: typeOf(callee.inside[0] as TypeText), values };
    return { kind: "call", line, callee: callee.inside.length === 0 ? callee.name : typeOf(callee), type: null, values };
  };

  const sizesOfStruct = (): readonly string[] => {
    name();
    expect("{");
    return list("}", () => {
      const field = name();
      expect(":");
      name();
      return field;
    });
  };
  const variable = (): { readonly space: string; readonly variable: ArrayVariable } => {
    expect("<");
    const [space, access] = list(">", name);
    const declared = name();
    expect(":");
    const of = arrayOf(type());
    expect(";");
    return { space: space!, variable: { name: declared, ...of, written: access !== "read" } };
  };
  const functionSyntax = (found: ReadonlyMap<string, string>): FunctionSyntax => {
    const { line } = peek();
    const declared = name();
    expect("(");
    const parameters = list(")", () => {
      const builtin = attributes().get("builtin") ?? null;
      const parameter = name();
      expect(":");
      return { name: parameter, type: typeOf(type()), builtin };
    });
    const result = accept("->") ? typeOf(type()) : null;
    const workgroupSize = found.has("compute") ? Number(found.get("workgroup_size")) : null;
    return { name: declared, parameters, result, workgroupSize, line, body: block() };
  };

  const [sizes, storage, workgroup, functions]: [string[], ArrayVariable[], ArrayVariable[], FunctionSyntax[]] = [[], [], [], []];
  while (peek().kind !== "end") {
    if (accept("enable")) {
      name();
      expect(";");
    } else if (accept("struct")) sizes.push(...sizesOfStruct());
    else {
      const found = attributes();
      if (accept("var")) {
        const { space, variable: declared } = variable();
        if (space === "storage") storage.push(declared);
        if (space === "workgroup") workgroup.push(declared);
      } else {
        expect("fn");
        functions.push(functionSyntax(found));
      }
    }
  }
  return { sizes, storage, workgroup, functions };
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
