/** How far a measurement is. */
import { grouped } from "../runtime/units.ts";
import { say } from "./terminal.ts";

/** Says it every ten seconds. */
export function countdown(total: number): (windows: number) => void {
  let last = performance.now();
  return (windows) => {
    if (performance.now() - last < 10_000) return;
    last = performance.now();
    say(`${grouped(windows)} of at most ${grouped(total)} windows`);
  };
}
