/** Compiled variants, kept open from seed to seed while they are small: compiling takes seconds, on some drivers much longer. */
import type { Session } from "../session.ts";
import type { Variant } from "./variant.ts";

export interface Sessions {
  /** A session for training and measuring; what an earlier run left in its tensors is still there. */
  get(variant: Variant): Promise<{ readonly session: Session; readonly isNew: boolean }>;
  /** Closes the session of a variant whose run failed: it may be broken. */
  discard(variant: Variant): void;
  closeAll(): void;
}

/** Sessions that together take more than this are closed before the next is opened. */
const KEPT_BYTES = 2 ** 30;

export function createSessions(keptBytes: number = KEPT_BYTES): Sessions {
  const open = new Map<string, Session>();
  const closeAll = (): void => {
    for (const session of open.values()) session.close();
    open.clear();
  };
  return {
    get: async (variant) => {
      const found = open.get(variant.name);
      if (found !== undefined) return { session: found, isNew: false };
      if ([...open.values()].reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) > keptBytes) closeAll();
      const session = await variant.open("train");
      open.set(variant.name, session);
      return { session, isNew: true };
    },
    discard: ({ name }) => {
      open.get(name)?.close();
      open.delete(name);
    },
    closeAll,
  };
}
