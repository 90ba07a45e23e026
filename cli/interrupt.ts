/** Ctrl-C: the first asks for an orderly end, the second ends at once. */
import { say } from "./terminal.ts";

export interface Interrupt {
  requested(): boolean;
  dispose(): void;
}

export function watchInterrupt(message: string): Interrupt {
  let count = 0;
  const onSignal = (): void => {
    if (++count > 1) process.exit(130);
    say(`\n${message}`);
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    requested: () => count > 0,
    dispose: () => signals.forEach((signal) => void process.off(signal, onSignal)),
  };
}
