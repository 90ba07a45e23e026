/** The bindings and sizes that a generated kernel collects while its text is written. */
import type { ValueId } from "../ir/graph.ts";
import { bug } from "../ir/tensor-type.ts";
import type { Storage } from "../kernels/text.ts";

export type Element = Storage["element"];

export interface Bindings {
  /** Name of the array for a stored value, binding it on first use. */
  readonly array: (value: ValueId, element: Element, write: boolean) => string;
  /** WGSL of a number that lives in the uniform block, so that the text does not depend on it. */
  readonly size: (value: number) => string;
  readonly result: () => BoundNames;
}

export interface BoundNames {
  readonly storage: readonly Storage[];
  readonly values: readonly ValueId[];
  readonly sizeNames: readonly string[];
  readonly sizeValues: readonly number[];
}

/** @param describe a note for the header: the shape of a value */
export function createBindings(fixedSizes: Readonly<Record<string, number>>, describe: (value: ValueId) => string): Bindings {
  const bound: { value: ValueId; storage: Storage }[] = [];
  const sizes = new Map<string, number>(Object.entries(fixedSizes));
  const array = (value: ValueId, element: Element, write: boolean): string => {
    const at = bound.findIndex((b) => b.value === value && (b.storage.element === element || b.storage.access === "read_write" || write));
    if (at >= 0) {
      const found = bound[at]!;
      if (found.storage.element !== element) bug(`value ${value} is written as ${found.storage.element} and used as ${element}`);
      if (write && found.storage.access === "read") bound[at] = { value, storage: { ...found.storage, access: "read_write" } };
      return found.storage.name;
    }
    const name = `${write ? "y" : "x"}${bound.filter((b) => b.storage.name.startsWith(write ? "y" : "x")).length}`;
    bound.push({ value, storage: { name, element, access: write ? "read_write" : "read", note: describe(value) } });
    return name;
  };
  const size = (value: number): string => {
    const name = `n${sizes.size - Object.keys(fixedSizes).length}`; // a new one each time: equal numbers must not change the text
    sizes.set(name, value);
    return `sizes.${name}`;
  };
  return {
    array,
    size,
    result: () => ({
      storage: bound.map((b) => b.storage),
      values: bound.map((b) => b.value),
      sizeNames: [...sizes.keys()],
      sizeValues: [...sizes.values()],
    }),
  };
}
