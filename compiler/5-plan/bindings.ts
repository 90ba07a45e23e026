/** The operands and sizes that a program collects while it is put together. */
import type { ValueId } from "../ir/graph.ts";
import type { Operand } from "../ir/launch.ts";
import { bug } from "../ir/tensor-type.ts";

export interface Bindings {
  /** Name of the operand for a stored value, bound on first use. */
  readonly operand: (value: ValueId, element: Operand["element"], write: boolean) => string;
  /** Name of a size: a number that lives in the uniform block, so that the kernel does not depend on it. */
  readonly size: (value: number) => string;
  readonly result: () => Bound;
}

export interface Bound {
  readonly operands: readonly Operand[];
  /** What each operand is bound to. */
  readonly values: readonly ValueId[];
  readonly sizes: readonly string[];
  readonly sizeValues: readonly number[];
}

/** @param describe a note for the header: the shape of a value */
export function createBindings(fixedSizes: Readonly<Record<string, number>>, describe: (value: ValueId) => string): Bindings {
  const bound: { value: ValueId; operand: Operand }[] = [];
  const sizes = new Map<string, number>(Object.entries(fixedSizes));
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
    operand,
    size,
    result: () => ({ operands: bound.map((b) => b.operand), values: bound.map((b) => b.value), sizes: [...sizes.keys()], sizeValues: [...sizes.values()] }),
  };
}
