/** Lines of a text that comes piece by piece. */
import { UserError } from "../errors.ts";

/** A string of more cannot be. */
const LONGEST = 2 ** 28; // bytes

/** Numbers from 1 and contents without newlines; an empty last one is none. UserError for a line that fits into no string. */
export async function* linesOf(path: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<readonly [line: number, content: Buffer]> {
  let parts: Uint8Array[] = []; // of the line that is not over yet
  let [length, line] = [0, 1];
  const take = (content: Uint8Array): Buffer => {
    const all = Buffer.concat([...parts, content]);
    [parts, length] = [[], 0];
    return all;
  };
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, from)) {
      yield [line++, take(piece.subarray(from, end))];
      from = end + 1;
    }
    parts.push(piece.subarray(from));
    length += piece.length - from;
    if (length > LONGEST) throw new UserError(`${path}:${line}: this line is longer than ${LONGEST / 2 ** 20} MiB`);
  }
  if (length > 0) yield [line, take(new Uint8Array(0))];
}
