/** A program while it is put together: the operands and sizes that it binds, and what its registers hold. */
import type { ValueId } from "../ir/graph.ts";
import type { Operand, Row, Term } from "../ir/launch.ts";
import { bug } from "../ir/tensor-type.ts";
import { isRowScalar, type Facts } from "./facts.ts";

export interface Program {
  readonly facts: Facts;
  /** Whether a value is loaded from storage; the others are computed. */
  readonly isLoaded: (value: ValueId) => boolean;
  /** Name of the operand for a stored value, bound on first use. */
  readonly operand: (value: ValueId, element: Operand["element"], write: boolean) => string;
  /** Name of a size: a number that lives in the uniform block, so that the kernel does not depend on it. */
  readonly size: (value: number) => string;
  readonly fresh: (prefix: string) => string;
  readonly known: Known;
  /** All that was bound so far. */
  readonly bound: () => Bound;
}

/** Registers that hold something already: accumulators, finished reductions, values of this loop. Keys say what, and of which row. */
interface Known {
  readonly rows: Map<string, string>;
  /** Values with one number per row. */
  readonly numbers: Map<string, Term>;
  /** Values with columns: those that are being computed. */
  readonly columns: Map<string, Term>;
}

interface Bound {
  readonly names: { readonly operands: readonly Operand[]; readonly sizes: readonly string[] };
  /** What each operand is bound to. */
  readonly values: readonly ValueId[];
  readonly sizes: readonly number[];
}

/** @param describe a note for the header: the shape of a value */
export function createProgram(
  facts: Facts, isLoaded: (value: ValueId) => boolean, fixedSizes: Readonly<Record<string, number>>, describe: (value: ValueId) => string,
): Program {
  const bound: { value: ValueId; operand: Operand }[] = [];
  const sizes = new Map<string, number>(Object.entries(fixedSizes));
  let registers = 0;
  const operand = (value: ValueId, element: Operand["element"], write: boolean): string => {
    const at = bound.findIndex((b) => b.value === value && (b.operand.element === element || b.operand.access === "read_write" || write));
    if (at >= 0) {
      const found = bound[at]!;
      if (found.operand.element !== element) bug(`value ${value} is written as ${found.operand.element} and used as ${element}`);
      if (write && found.operand.access === "read") bound[at] = { value, operand: { ...found.operand, access: "read_write" } };
      return found.operand.name;
    }
    const letter = write ? "y" : "x";
    const name = `${letter}${bound.filter((b) => b.operand.name.startsWith(letter)).length}`;
    bound.push({ value, operand: { name, element, access: write ? "read_write" : "read", note: describe(value) } });
    return name;
  };
  const size = (value: number): string => {
    const name = `n${sizes.size - Object.keys(fixedSizes).length}`; // a new one each time: equal numbers must not change the text
    sizes.set(name, value);
    return name;
  };
  return {
    facts,
    isLoaded,
    operand,
    size,
    fresh: (prefix) => `${prefix}${registers++}`,
    known: { rows: new Map(), numbers: new Map(), columns: new Map() },
    bound: () => ({
      names: { operands: bound.map((b) => b.operand), sizes: [...sizes.keys()] },
      values: bound.map((b) => b.value),
      sizes: [...sizes.values()],
    }),
  };
}

/** The same program inside a nested loop: what is learnt there is forgotten outside. */
export const nested = (p: Program): Program =>
  ({ ...p, known: { rows: new Map(p.known.rows), numbers: new Map(p.known.numbers), columns: new Map(p.known.columns) } });

/** The same program in a loop over columns: what is learnt of rows there stays known behind it, columns are known in it only. */
export const inColumns = (p: Program): Program => ({ ...p, known: { ...p.known, columns: new Map() } });

/** Says that a value is in a register: a number of the row, or the columns being computed. */
export function hold({ facts, known }: Program, value: ValueId, row: Row, name: string): void {
  (isRowScalar(facts.type(value)) ? known.numbers : known.columns).set(`${value}@${row}`, { op: "register", name });
}
