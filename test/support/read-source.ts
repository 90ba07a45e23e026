/** Reads the sources that it is given and prints their text and notes, or the error, as JSON: for standard input and pipes. */
import { readSource } from "../../runtime/data/source.ts";

try {
  const { text, notes } = await readSource(process.argv.slice(2));
  console.log(JSON.stringify({ text: Buffer.from(text).toString(), notes }));
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message, name: (error as Error).name }));
}
