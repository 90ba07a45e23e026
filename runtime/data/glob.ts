import { readdirSync } from "node:fs";
import { systemCode } from "../errors.ts";

/** The pattern holds a character that means something in a glob. */
export const isGlob = (pattern: string): boolean => /[*?[{]/.test(pattern);

/**
 * Files that match a pattern of `*`, `?`, `**` (any depth), `[abc]`, `[!a-z]` and `{one,two}`, sorted by code unit. Names that
 * start with a dot match only a pattern that says the dot.
 */
export function glob(pattern: string): readonly string[] {
  const parts = pattern.replaceAll("\\", process.platform === "win32" ? "/" : "\\").split("/");
  const firstWild = parts.findIndex(isGlob);
  const root = parts.slice(0, firstWild).join("/");
  const start = firstWild === 0 ? "" : `${root}/`;
  return [...new Set(walk(start, parts.slice(firstWild)))].sort();
}

/** `at` is "" or ends with "/". */
function walk(at: string, parts: readonly string[]): readonly string[] {
  const [part, ...rest] = parts;
  const entries = entriesOf(at);
  if (part === "**") {
    const deeper = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
    return [...walk(at, rest.length > 0 ? rest : ["*"]), ...deeper.flatMap((entry) => walk(`${at}${entry.name}/`, parts))];
  }
  const matches = entries.filter((entry) => segmentRegExp(part!).test(entry.name));
  if (rest.length === 0) return matches.filter((entry) => !entry.isDirectory()).map((entry) => at + entry.name);
  return matches.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).flatMap((entry) => walk(`${at}${entry.name}/`, rest));
}

function entriesOf(directory: string): ReturnType<typeof readDirectory> {
  try {
    return readDirectory(directory === "" ? "." : directory);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(systemCode(error))) return [];
    throw error;
  }
}

const readDirectory = (directory: string) => readdirSync(directory, { withFileTypes: true });

/** One part of a pattern, between slashes, as a regular expression for a whole name. */
export function segmentRegExp(part: string): RegExp {
  let depth = 0;
  const source = part.replace(/\*+|\?|\[!?[^\]]+\]|[{},]|[^]/g, (token) => {
    if (token.startsWith("*")) return "[^/]*";
    if (token === "?") return "[^/]";
    if (token.length > 1) return `[${token[1] === "!" ? "^" : ""}${token.slice(token[1] === "!" ? 2 : 1, -1).replace(/[\\^[]/g, "\\$&")}]`;
    if (token === "{") return depth++, "(?:";
    if (token === "}" && depth > 0) return depth--, ")";
    if (token === "," && depth > 0) return "|";
    return token.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  });
  const dots = /^[.]/.test(part) ? "" : "(?![.])";
  return new RegExp(`^${dots}${source}${")".repeat(depth)}$`, "s");
}
