/** Ctrl-C, a request to end, a terminal that closes: the process ends with 128 + n, where work would be lost not before it is saved. */
import { constants } from "node:os";
import { say } from "./terminal.ts";

const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

const statusOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/**
 * A command during which a signal ends the process at once but in order: locks are given back. Only for commands that mostly wait for a
 * device, because a signal is heard no sooner than that; what takes long without waiting is to be done in endingAtOnce.
 */
export const interruptible = <A extends readonly unknown[]>(run: (...args: A) => Promise<void>) => async (...args: A): Promise<void> => {
  const undo = listen((signal) => process.exit(statusOf(signal)));
  try {
    await run(...args);
  } finally {
    undo();
  }
};

/**
 * Work that does not wait, and so hears no signal: meanwhile the system itself ends the process, with the same status for a shell. What
 * that leaves of a lock is taken over.
 */
export function endingAtOnce<T>(work: () => T): T {
  const undo = listen();
  let result: T;
  try {
    result = work();
  } catch (error) {
    undo();
    throw error;
  }
  if (!(result instanceof Promise)) undo();
  return result instanceof Promise ? result.finally(undo) as T : result;
}

export interface Interrupt {
  requested(): boolean;
  dispose(): void;
}

/**
 * The first signal asks for an orderly end, which then has the signal's status; the second ends at once.
 * @param left says what the second leaves behind
 */
export function watchInterrupt(message: string, left: () => string): Interrupt {
  let count = 0;
  const undo = listen((signal) => {
    process.exitCode = statusOf(signal);
    if (++count === 1) return say(`\n${message}`);
    say(`\nstopped at once; ${left()}`);
    process.exit();
  });
  return { requested: () => count > 0, dispose: undo };
}

/** In place of whoever listens to signals now. @returns gives them back */
function listen(...acts: readonly NodeJS.SignalsListener[]): () => void {
  const earlier = SIGNALS.map((signal) => process.listeners(signal));
  SIGNALS.forEach((signal, i) => replace(signal, earlier[i]!, acts));
  return () => SIGNALS.forEach((signal, i) => replace(signal, acts, earlier[i]!));
}

/** The new ones come first: while nobody listens, a signal that is on its way is lost. */
function replace(signal: NodeJS.Signals, old: readonly NodeJS.SignalsListener[], by: readonly NodeJS.SignalsListener[]): void {
  for (const listener of by) process.on(signal, listener);
  for (const listener of old) process.off(signal, listener);
}
