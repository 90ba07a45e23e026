/** How far a long reading is, on a line that changes on a terminal and now and then elsewhere. */
import { bytes, short } from "../runtime/units.ts";

export interface ReadProgress {
  /** So many bytes more were read, as they lie on disk. */
  onRead(n: number): void;
  /** @param before of these bytes of text, so many were done by an earlier run */
  onText(text: number, before: number): void;
  /** Of what comes after reading. */
  show(line: () => string): void;
  kept(): number;
  /** What is said next has a line of its own. */
  finish(): void;
}

/** @param size of everything, on disk; 0 where it is not known */
export function createReadProgress(size: number): ReadProgress {
  const { isTTY } = process.stderr;
  const every = isTTY ? 200 : 10_000; // ms
  const started = performance.now();
  let [read, kept, last] = [0, 0, started];
  let isShown = false;
  const show = (line: () => string): void => {
    if (performance.now() - last < every) return;
    last = performance.now();
    process.stderr.write(isTTY ? `\r\x1b[K${line()}` : `${line()}\n`);
    isShown = isTTY;
  };
  const reading = (text: number): string => {
    const made = (text - kept) / ((performance.now() - started) / 1000);
    const share = size > 0 ? `${Math.min(100, Math.floor((100 * read) / size))} % read, ` : "";
    return `${share}${bytes(text)} of text${kept > 0 ? `, ${bytes(kept)} of it done before` : ""}, ${short(made)}B/s`;
  };
  return {
    onRead: (n) => void (read += n),
    onText(text, before) {
      kept = before;
      show(() => reading(text));
    },
    show,
    kept: () => kept,
    finish() {
      if (isShown) process.stderr.write("\n");
      isShown = false;
    },
  };
}
