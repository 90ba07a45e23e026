/** What must not mix runs one after the other: a step of several micro-batches, a text that is read in chunks, weights that are saved. */

export interface Turns {
  /** Runs `act` when all before it have ended, well or not. */
  take<T>(act: () => Promise<T>): Promise<T>;
  /** Whether nothing runs or waits. */
  isIdle(): boolean;
  /** Throws an Error if anything runs or waits. @param what wants to be done at once */
  requireIdle(what: string): void;
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let pending = 0;
  return {
    take: (act) => {
      pending++;
      const result = last.then(act).finally(() => void pending--);
      last = result.catch(() => {});
      return result;
    },
    isIdle: () => pending === 0,
    requireIdle: (what) => {
      if (pending > 0) throw new Error(`${what} while the model is at work: await the calls before it first`);
    },
  };
}
