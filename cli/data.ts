/** The text that a command is given. */
import { loadText, type Text, type TextOptions } from "../runtime/data/index.ts";
import { endingAtOnce } from "./interrupt.ts";
import { say } from "./terminal.ts";

/** Reads it once, and says what is unusual about it. */
export async function readData(source: readonly string[], options: TextOptions): Promise<Text> {
  const text = await endingAtOnce(() => loadText(source, options));
  for (const note of text.notes) say(`note: ${note}`);
  return text;
}
