/** What is waited for, in words: other processes do it, and of one on another machine nobody here can tell whether it still runs. */
import { basename } from "node:path";
import type { InUse } from "../files/lock.ts";
import { listOf } from "../report/words.ts";

/** Minutes after which a folder that was not written to is said to be silent: no step or evaluation should take so long. */
const SILENT = 10;
const NAMED = 3;

/** @returns is told who has what whenever that was looked at; says it at first, and of each on another machine once it is silent */
export function waitingWords(say: (text: string) => void): (held: readonly InUse[]) => void {
  const told = new Set<string>();
  let started = false;
  return (held) => {
    if (!started && held.length > 0) say(`waiting for ${heldWords(held)} …`);
    started = true;
    for (const { folder, holder, isHere, lastWrite, message } of held) {
      const minutes = Math.floor((Date.now() - lastWrite.getTime()) / 60_000);
      if (isHere || minutes < SILENT || told.has(folder)) continue;
      told.add(folder);
      say(`${holder} has written nothing for ${minutes} minutes, and is waited for: ${message}`);
    }
  };
}

/** "2 runs of other processes: a-seed0 (process 12) and b-seed0 (process 7 on node4)" */
function heldWords(held: readonly InUse[]): string {
  const names = held.map(({ folder, holder }) => `${basename(folder)} (${holder})`);
  const more = names.length > NAMED ? [`${names.length - NAMED} more`] : [];
  return `${held.length} ${held.length === 1 ? "run" : "runs"} of other processes: ${listOf([...names.slice(0, NAMED), ...more])}`;
}
