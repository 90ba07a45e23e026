/** Syntax → intermediate form: names resolved, types checked, functions inlined. What is outside of the subset is refused with its line. */
import { Builder, constant, read } from "./builder.ts";
import { callOf, convert, expression, memoryAt, refuse, settled, type Scope, type KernelContext } from "./expressions.ts";
import type { KernelCode, Local, Memory, Statement, Value } from "./ir.ts";
import type { ArrayVariable, ExpressionSyntax, FunctionSyntax, Module, StatementSyntax } from "./syntax.ts";
import { bytesOf, type Type } from "./types.ts";

/** The function of a kernel: for every workgroup from `first` to below `end`, for every lane of it, what `main` says. */
export function lower(module: Module): KernelCode {
  const builder = new Builder();
  const main = module.functions.find((f) => f.workgroupSize !== null)!;
  const parameter = (): Local => ({ type: "u32", depth: 0, meaning: null });
  const [sizes, scratch, first, end] = [parameter(), parameter(), parameter(), parameter()];
  const buffers = module.storage.map(parameter);
  const { arrays, scratchBytes } = scratchArrays(module.workgroup, read(scratch));
  const globals: Scope = new Map([
    ...module.storage.map((variable, i) => [variable.name, { array: variable, memory: memoryOf(variable, read(buffers[i]!), 0) }] as const),
    ...arrays,
  ]);
  const kernel: KernelContext = {
    builder, globals, inline,
    functions: new Map(module.functions.map((f) => [f.name, f])),
    size: (name) => builder.loadOnce(read(sizes), 4 * module.sizes.indexOf(name)),
    hasSize: (name) => module.sizes.includes(name),
  };
  const body = builder.collect(() => countingUp(builder, read(first), read(end), (group) => {
    countingUp(builder, constant("u32", 0), constant("u32", main.workgroupSize!), (lane) => invocation(kernel, main, group, lane));
  }));
  return { parameters: [sizes, scratch, first, end, ...buffers], body, scratchBytes };
}

/** A loop over u32s; of one turn where that is known. */
function countingUp(builder: Builder, from: Value, to: Value, body: (counter: Value) => void): void {
  if (from.op === "constant" && to.op === "constant" && to.value - from.value === 1) {
    body(from);
    return;
  }
  const counter: Local = { type: "u32", depth: builder.depth + 1, meaning: null };
  builder.add({ do: "set", local: counter, value: from });
  builder.loop(() => ({
    do: "loop",
    condition: builder.make("<", "bool", read(counter), to),
    body: builder.collect(() => body(read(counter))),
    step: [{ do: "set", local: counter, value: builder.make("+", "u32", read(counter), constant("u32", 1)) }],
  }));
}

/** Grids of any length need no second dimension here: the workgroup is its number, in one row. */
function invocation(kernel: KernelContext, main: FunctionSyntax, group: Value, lane: Value): void {
  const { builder } = kernel;
  const zero = constant("u32", 0);
  const builtins: Readonly<Record<string, Value>> = {
    workgroup_id: builder.vector("vec3u", [group, zero, zero]),
    num_workgroups: builder.vector("vec3u", [zero, zero, zero]),
    local_invocation_index: lane,
  };
  const given = (name: string | null): Value => builtins[name ?? ""] ?? refuse(main.line, `the built-in value ${name ?? "?"}`);
  inline(kernel, main, main.parameters.map(({ builtin }) => given(builtin)));
}

function memoryOf({ element, written }: ArrayVariable, base: Value, offset: number): Memory {
  return { element, written, base, offset };
}

const ALIGNMENT = 64;

/** Workgroup variables one behind the other in the scratch of a thread. */
function scratchArrays(variables: readonly ArrayVariable[], base: Value): { readonly arrays: Scope; readonly scratchBytes: number } {
  const arrays: Scope = new Map();
  let scratchBytes = 0;
  for (const variable of variables) {
    arrays.set(variable.name, { array: variable, memory: memoryOf(variable, base, scratchBytes) });
    const elements = variable.extents.reduce((product, extent) => product * extent, 1);
    scratchBytes += Math.ceil((elements * bytesOf(variable.element)) / ALIGNMENT) * ALIGNMENT;
  }
  return { arrays, scratchBytes };
}

/** Where `return` leads, and where it leaves its value. */
interface Frame {
  readonly kernel: KernelContext;
  readonly scopes: readonly Scope[];
  readonly leave: (line: number, value: ExpressionSyntax | null, scopes: readonly Scope[]) => void;
}

/** The body of a function where it is called, and its value, if it has one. */
function inline(kernel: KernelContext, f: FunctionSyntax, values: readonly Value[]): Value | null {
  const { builder, globals } = kernel;
  const parameters: Scope = new Map(f.parameters.map(({ name }, i) => [name, { value: builder.name(values[i]!) }]));
  const scopes = [globals, parameters];
  const last = f.body.at(-1);
  if (last?.kind === "return" && last.value !== null && !f.body.slice(0, -1).some(returns)) { // the value itself
    const body = [...scopes, new Map() as Scope];
    statements(f.body.slice(0, -1), { kernel, scopes: body, leave: unreachableReturn });
    return settled(kernel, expression(kernel, body, last.value), f.result!, last.line);
  }
  if (!f.body.some(returns)) {
    statements(f.body, { kernel, scopes: [...scopes, new Map()], leave: unreachableReturn });
    return null;
  }
  const label = { name: f.name };
  const result = f.result === null ? null : builder.variable(f.result, constant(f.result, 0));
  const leave: Frame["leave"] = (line, value, from) => {
    if (result !== null && value !== null) {
      builder.add({ do: "set", local: result, value: settled(kernel, expression(kernel, from, value), result.type, line) });
    }
    builder.add({ do: "exit", label });
  };
  const body = builder.collect(() => statements(f.body, { kernel, scopes: [...scopes, new Map()], leave }));
  builder.add({ do: "block", label, body });
  return result === null ? null : builder.name(read(result));
}

const unreachableReturn = (line: number): never => refuse(line, "a return here");

const returns = (s: StatementSyntax): boolean => s.kind === "return" || inside(s).some(returns);

/** Statements in the blocks of a statement. */
function inside(s: StatementSyntax): readonly StatementSyntax[] {
  if (s.kind === "if") return [...s.then, ...s.otherwise];
  return s.kind === "for" || s.kind === "block" ? s.body : [];
}

function statements(list: readonly StatementSyntax[], frame: Frame): void {
  for (const each of list) statement(each, frame);
}

const nested = (frame: Frame): Frame => ({ ...frame, scopes: [...frame.scopes, new Map()] });

function block(list: readonly StatementSyntax[], frame: Frame): readonly Statement[] {
  return frame.kernel.builder.collect(() => statements(list, nested(frame)));
}

function statement(s: StatementSyntax, frame: Frame): void {
  const { kernel, scopes } = frame;
  const { builder } = kernel;
  switch (s.kind) {
    case "let": case "var": return declare(s, frame);
    case "assign": return assign(s, frame);
    case "return": return frame.leave(s.line, s.value, scopes);
    case "block": return statements(s.body, nested(frame));
    case "call": {
      if (s.call.kind !== "call") return refuse(s.line, "a statement that does nothing");
      callOf(kernel, scopes, s.call);
      return;
    }
    case "if": {
      const condition = settled(kernel, expression(kernel, scopes, s.condition), "bool", s.line);
      if (condition.op === "constant") return statements(condition.value !== 0 ? s.then : s.otherwise, nested(frame));
      return builder.add({ do: "if", condition, then: block(s.then, frame), otherwise: block(s.otherwise, frame) });
    }
    case "for": return loop(s, frame);
  }
}

function declare(s: StatementSyntax & { readonly kind: "let" | "var" }, { kernel, scopes }: Frame): void {
  const { builder } = kernel;
  const type = s.type;
  const given = s.value === null ? constant(type!, 0) : expression(kernel, scopes, s.value);
  const value = type === null ? convert(given) : settled(kernel, given, type, s.line);
  scopes.at(-1)!.set(s.name, s.kind === "let" ? { value: builder.name(value) } : { variable: builder.variable(value.type, value) });
}

function assign({ target, operator, value, line }: StatementSyntax & { readonly kind: "assign" }, { kernel, scopes }: Frame): void {
  const { builder } = kernel;
  const source: ExpressionSyntax = operator === null ? value : { kind: "binary", line, operator, left: target, right: value };
  const given = expression(kernel, scopes, source);
  const bound = target.kind === "name" ? scopes.findLast((scope) => scope.has(target.name))?.get(target.name) : undefined;
  if (bound !== undefined && "variable" in bound) {
    builder.add({ do: "set", local: bound.variable, value: settled(kernel, given, bound.variable.type, line) });
    return;
  }
  const { memory, index } = memoryAt(kernel, scopes, target);
  builder.store(memory, index, settled(kernel, given, memory.element, line));
}

/** The counter of a loop is as good as constant inside, unless the body sets it. */
function loop({ start, condition, step, body, line }: StatementSyntax & { readonly kind: "for" }, frame: Frame): void {
  const { kernel } = frame;
  const { builder } = kernel;
  if (start.kind !== "var" || start.value === null) refuse(line, "a loop without a counter");
  const from = convert(expression(kernel, frame.scopes, start.value!));
  const type: Type = start.type ?? from.type;
  const counter: Local = { type, depth: assigns(body, start.name) ? Infinity : builder.depth + 1, meaning: null };
  builder.add({ do: "set", local: counter, value: settled(kernel, from, type, line) });
  const within: Frame = { ...frame, scopes: [...frame.scopes, new Map([[start.name, { variable: counter }]])] };
  builder.loop(() => ({
    do: "loop",
    condition: settled(kernel, expression(kernel, within.scopes, condition), "bool", line),
    body: block(body, within),
    step: builder.collect(() => statement(step, within)),
  }));
}

const assigns = (list: readonly StatementSyntax[], name: string): boolean =>
  list.some((s) => (s.kind === "assign" && s.target.kind === "name" && s.target.name === name) || assigns(inside(s), name));
