/** Pairs in files as they are published, plain or gzip. */
import { at, linesOf } from "../tasks/files.ts";
import type { Pair } from "./pair.ts";

/** "IN: command OUT: actions" (SCAN). The kind is how many actions there are. */
export const scanLines = (path: string): readonly Pair[] => linesOf(path).map((line, i) => at(path, i + 1, () => {
  const match = /^IN: (\S.*) OUT: (\S.*)$/.exec(line);
  if (match === null) throw new Error(`it is not of the form "IN: command OUT: actions"`);
  return { source: match[1]!, target: match[2]!, kind: String(match[2]!.split(" ").length) };
}));

/** Source, target and perhaps a kind, with tabs between (COGS). */
export const tabLines = (path: string): readonly Pair[] => linesOf(path).map((line, i) => at(path, i + 1, () => {
  const [source, target, kind = "all", ...more] = line.split("\t");
  const isPair = source !== "" && target !== undefined && target !== "" && more.length === 0;
  if (!isPair) throw new Error("it is not source, target and perhaps a kind, with tabs between");
  return { source: source!, target, kind };
}));
