import { readdirSync, statSync, type Dirent } from "node:fs";
import { cannotRead, systemCode, UserError } from "../errors.ts";
import { expandBraces } from "./braces.ts";

/** The pattern holds a character that means something in a glob. */
export const isGlob = (pattern: string): boolean => /[*?[{]/.test(pattern);

/** One part of a pattern, between slashes. */
type Part = "**" | { readonly matches: (name: string) => boolean };

/**
 * Files that match a pattern of `*`, `?`, `**` (any depth, past no symbolic link), `[abc]`, `[!a-z]` and `{one,two}`, sorted by code
 * unit; a part also matches what is called exactly so. Names that start with a dot match only a pattern that says the dot.
 * UserError for a pattern that means nothing, and for directories that cannot be read.
 */
export function glob(pattern: string): readonly string[] {
  const found = new Set<string>();
  for (const each of expandBraces(pattern.replaceAll("\\", process.platform === "win32" ? "/" : "\\"))) {
    const parts = each.split("/");
    const firstWild = parts.findIndex(isGlob);
    const first = firstWild < 0 ? parts.length - 1 : firstWild;
    const start = first === 0 ? "" : `${parts.slice(0, first).join("/")}/`;
    const wild = [...parts.slice(first), ...(parts.at(-1) === "**" ? ["*"] : [])];
    walk(start, wild.map((part) => (part === "**" ? "**" : { matches: matcher(part) })), found, new Set());
  }
  return [...found].sort();
}

/** Files anywhere below a directory, as `**` finds them. */
export function filesBelow(directory: string): readonly string[] {
  const found = new Set<string>();
  walk(directory.endsWith("/") ? directory : `${directory}/`, ["**", { matches: matcher("*") }], found, new Set());
  return [...found].sort();
}

/** @param at "" or ends with "/" @param seen what was walked already: several `**` come to a place in many ways */
function walk(at: string, parts: readonly Part[], found: Set<string>, seen: Set<string>): void {
  const key = `${parts.length} ${at}`;
  if (seen.has(key)) return;
  seen.add(key);
  const [part, ...rest] = parts;
  const entries = entriesOf(at);
  if (part === "**") {
    walk(at, rest, found, seen);
    for (const entry of entries) if (entry.isDirectory() && !entry.name.startsWith(".")) walk(`${at}${entry.name}/`, parts, found, seen);
    return;
  }
  for (const entry of entries.filter(({ name }) => part!.matches(name))) {
    const isDirectory = entry.isDirectory() || (entry.isSymbolicLink() && leadsTo(at + entry.name) === "directory");
    if (rest.length > 0 && isDirectory) walk(`${at}${entry.name}/`, rest, found, seen);
    if (rest.length === 0 && !isDirectory && isFile(at, entry)) found.add(at + entry.name);
  }
}

/** Pipes, sockets and devices are read where they are named, not where they happen to match. A broken link is kept: reading it says so. */
const isFile = (at: string, entry: Dirent): boolean => entry.isFile() || (entry.isSymbolicLink() && leadsTo(at + entry.name) !== "other");

function leadsTo(path: string): "file" | "directory" | "other" {
  try {
    const stats = statSync(path);
    return stats.isDirectory() ? "directory" : stats.isFile() ? "file" : "other";
  } catch {
    return "file";
  }
}

function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory === "" ? "." : directory, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return [];
    throw cannotRead(directory, error);
  }
}

/** Whether a name is the part itself or matches it, in time of the product of their lengths. UserError if the part means nothing. */
export function matcher(part: string): (name: string) => boolean {
  const tokens = tokensOf(part);
  return (name) => name === part || ((part.startsWith(".") || !name.startsWith(".")) && matches(tokens, [...name]));
}

/** "*": any characters; else one that passes the test. */
type Token = "*" | ((character: string) => boolean);

const tokensOf = (part: string): readonly Token[] => [...part.matchAll(/\*+|\[[!^]?\]?[^\]]*\]|[^]/gu)].map(([token]) => {
  if (token.startsWith("*")) return "*";
  if (token === "?") return () => true;
  if (!token.startsWith("[") || token.length === 1) return (character) => character === token;
  const expression = characters(token);
  return (character) => expression.test(character);
});

/** Where a token does not fit, the last star takes one character more; those before it never need to. */
function matches(tokens: readonly Token[], name: readonly string[]): boolean {
  let [token, star, retry] = [0, -1, 0];
  for (let at = 0; at < name.length; ) {
    const wanted = tokens[token];
    if (wanted === "*") [star, retry, token] = [token, at, token + 1];
    else if (wanted?.(name[at]!) === true) [token, at] = [token + 1, at + 1];
    else if (star < 0) return false;
    else [token, at, retry] = [star + 1, retry + 1, retry + 1];
  }
  return tokens.slice(token).every((rest) => rest === "*");
}

/** `[abc]`, `[a-z]`, and with ! or ^ in front all others. */
function characters(token: string): RegExp {
  if (token.includes("[:")) throw new UserError(`${token}…] in a glob is not understood; say the characters, for instance [a-z]`);
  const isOthers = /^\[[!^]/.test(token);
  const items = [...token.slice(isOthers ? 2 : 1, -1).matchAll(/(.)-(.)|(.)/gsu)].map(([range, from, to]) => {
    if (from === undefined || to === undefined) return literal(range);
    const isBackwards = from.codePointAt(0)! > to.codePointAt(0)!;
    if (isBackwards) throw new UserError(`the range ${range} in the glob ${token} runs backwards; write ${to}-${from}`);
    return `${literal(from)}-${literal(to)}`;
  });
  return new RegExp(`^[${isOthers ? "^" : ""}${items.join("")}]$`, "su");
}

const literal = (character: string): string => `\\u{${character.codePointAt(0)!.toString(16)}}`;
