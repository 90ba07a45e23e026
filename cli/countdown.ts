/** How far a measurement is. */
import { grouped } from "../runtime/units.ts";
import { say } from "./terminal.ts";

/** Says it every ten seconds. */
export function countdown(total: number, what = "windows"): (done: number) => void {
  let last = performance.now();
  return (done) => {
    if (performance.now() - last < 10_000) return;
    last = performance.now();
    say(`${grouped(done)} of ${grouped(total)} ${what}`);
  };
}
