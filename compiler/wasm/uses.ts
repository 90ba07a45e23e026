/** Which names of a kernel are read, and how: what nobody reads is not computed, a vector of which only numbers are read is not loaded. */
import type { KernelCode, Local, Statement, Value } from "./ir.ts";
import { isVector } from "./types.ts";

export interface Uses {
  readonly isDead: (local: Local) => boolean;
  /** A vector in memory that stays as it is, read number by number: its name stands for its address. */
  readonly isAddress: (local: Local) => boolean;
}

interface Count {
  reads: number;
  whole: number;
  readonly values: Value[];
}

export function usesOf({ body }: KernelCode): Uses {
  const counts = new Map<Local, Count>();
  const countOf = (local: Local): Count => {
    const count = counts.get(local) ?? { reads: 0, whole: 0, values: [] };
    counts.set(local, count);
    return count;
  };
  const count = (value: Value, by: 1 | -1): void => visit(value, (local, whole) => {
    countOf(local).reads += by;
    countOf(local).whole += whole ? by : 0;
  });
  const statements = (list: readonly Statement[]): void => list.forEach((s) => {
    if (s.do === "set") countOf(s.local).values.push(s.value);
    valuesOf(s).forEach((value) => count(value, 1));
    bodiesOf(s).forEach(statements);
  });
  statements(body);
  const dead = new Set<Local>();
  const bury = (local: Local): void => {
    if (dead.has(local) || countOf(local).reads > 0) return;
    dead.add(local);
    for (const value of countOf(local).values) {
      count(value, -1);
      visit(value, bury);
    }
  };
  [...counts.keys()].forEach(bury);
  return { isDead: (local) => dead.has(local), isAddress: (local) => counts.get(local)?.whole === 0 && isStillVector(counts.get(local)!) };
}

const isStillVector = ({ values: [value, ...others] }: Count): boolean =>
  value !== undefined && others.length === 0 && value.op === "load" && !value.written && isVector(value.type);

export type Lane = Extract<Value, { readonly op: "lane" }>;

/** The same number of four vectors: they are turned in registers. */
export function isColumn(values: readonly Value[]): values is readonly Lane[] {
  const { lane } = values[0] as Lane;
  return values.length === 4 && values.every((v) => v.op === "lane" && v.lane === lane && v.of.op === "local");
}

/** Every name in a value; `whole` unless only a number of it is read. */
function visit(value: Value, found: (local: Local, whole: boolean) => void): void {
  if (value.op === "local") found(value.local, true);
  else if (value.op === "vector" && isColumn(value.values)) value.values.forEach(({ of }) => visit(of, found));
  else if (value.op === "lane" && value.of.op === "local") found(value.of.local, false);
  else partsOf(value).forEach((part) => visit(part, found));
}

function partsOf(value: Value): readonly Value[] {
  switch (value.op) {
    case "constant": case "local": return [];
    case "load": return [value.address];
    case "lane": return [value.of];
    default: return value.values;
  }
}

/** Whether computing it could fail: an address that is not to be looked at. */
export const loads = (value: Value): boolean => value.op === "load" || partsOf(value).some(loads);

function valuesOf(s: Statement): readonly Value[] {
  switch (s.do) {
    case "set": return [s.value];
    case "store": return [s.address, s.value];
    case "if": case "loop": return [s.condition];
    default: return [];
  }
}

function bodiesOf(s: Statement): readonly (readonly Statement[])[] {
  switch (s.do) {
    case "if": return [s.then, s.otherwise];
    case "loop": return [s.body, s.step];
    case "block": return [s.body];
    default: return [];
  }
}
