/** A binary heap. */

export interface Heap<T> {
  push(item: T): void;
  /** Takes the first one out; undefined if there is none. */
  pop(): T | undefined;
}

export function createHeap<T>(isBefore: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  const comesBefore = (i: number, j: number): boolean => isBefore(items[i]!, items[j]!);
  const swap = (i: number, j: number): void => {
    [items[i], items[j]] = [items[j]!, items[i]!];
  };
  const sink = (from: number): void => {
    for (let i = from; ;) {
      const [a, b] = [2 * i + 1, 2 * i + 2];
      const child = b < items.length && comesBefore(b, a) ? b : a;
      if (child >= items.length || !comesBefore(child, i)) return;
      swap(i, child);
      i = child;
    }
  };
  return {
    push(item) {
      let i = items.push(item) - 1;
      for (let parent = (i - 1) >> 1; i > 0 && comesBefore(i, parent); i = parent, parent = (i - 1) >> 1) swap(i, parent);
    },
    pop() {
      if (items.length > 1) swap(0, items.length - 1);
      const first = items.pop();
      sink(0);
      return first;
    },
  };
}
