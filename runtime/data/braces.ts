import { UserError } from "../errors.ts";

const MOST_PATTERNS = 10_000;
const DEEPEST = 50;

/**
 * What `{one,two}` stands for, as in shells: braces may hold slashes and other braces, and mean themselves if there is no comma.
 * UserError if one is not closed.
 */
export function expandBraces(pattern: string): readonly string[] {
  const tokens = pattern.match(/\[[!^]?\]?[^\]/]*\]|[^]/gu) ?? [];
  return sequence(pattern, tokens, 0, 0).texts;
}

interface Expanded {
  readonly texts: readonly string[];
  /** The token behind what was expanded; of braces, the one that closes them. */
  readonly next: number;
}

/** Up to the end, or within braces up to a comma or their end. */
function sequence(pattern: string, tokens: readonly string[], from: number, depth: number): Expanded {
  if (depth > DEEPEST) throw new UserError(`the glob has braces more than ${DEEPEST} deep`);
  let texts: readonly string[] = [""];
  let next = from;
  for (; next < tokens.length; next++) {
    const token = tokens[next]!;
    if (depth > 0 && (token === "," || token === "}")) break;
    const group = token === "{" ? braces(pattern, tokens, next, depth + 1) : { texts: [token], next };
    const count = texts.length * group.texts.length;
    if (count > MOST_PATTERNS) throw new UserError(`the glob ${pattern} stands for more than ${MOST_PATTERNS} patterns`);
    texts = texts.flatMap((text) => group.texts.map((more) => text + more));
    next = group.next;
  }
  return { texts, next };
}

/** @param from where the brace opens */
function braces(pattern: string, tokens: readonly string[], from: number, depth: number): Expanded {
  const options: (readonly string[])[] = [];
  let next = from;
  do {
    const option = sequence(pattern, tokens, next + 1, depth);
    options.push(option.texts);
    next = option.next;
  } while (tokens[next] === ",");
  if (next >= tokens.length) throw new UserError(`the glob ${pattern} has a { that is not closed`);
  return { texts: options.length === 1 ? options[0]!.map((text) => `{${text}}`) : options.flat(), next };
}
