import { cannotRead, UserError } from "../errors.ts";
import { toText } from "./encoding.ts";
import { glob, isGlob } from "./glob.ts";
import { jsonlText, jsonText } from "./json-text.ts";
import { isReadable, MOST_BYTES, readBytes, tooLarge } from "./read.ts";

/** Files that a source names: itself, or what it matches as a glob. UserError for directories and for no match. */
export function expandFiles(source: string): readonly string[] {
  if (source === "") throw new UserError("--data names no file: a word of it is empty");
  if (isReadable(source)) return [source];
  if (!isGlob(source)) throw cannotRead(source, Object.assign(new Error(), { code: "ENOENT" }));
  const files = glob(source);
  if (files.length === 0) throw new UserError(`no file matches ${source}`);
  return files;
}

interface FileText {
  readonly path: string;
  /** UTF-8, or the bytes as they are; ends with a newline so that texts do not run into each other, or is empty. */
  readonly text: Uint8Array;
  readonly encoding: string | null;
}

/** The texts of files, one after the other; files without text are skipped. UserError if all are, or for what cannot be read. */
export function readFiles(paths: readonly string[]): { readonly text: Uint8Array; readonly notes: readonly string[] } {
  const files: FileText[] = [];
  let length = 0;
  for (const path of paths) {
    files.push(readText(path));
    length += files.at(-1)!.text.length;
    if (length > MOST_BYTES) throw tooLarge(`the text of ${listed(paths)}`);
  }
  if (length === 0)
    throw new UserError(paths.length === 1 ? `${paths[0]} is empty` : `all ${paths.length} files are empty: ${listed(paths)}`);
  return { text: Buffer.concat(files.map(({ text }) => text)), notes: notesOn(files) };
}

/**
 * The text of a file: as it is; the field `text` of each line of a .jsonl file, or of each element of a .json file, as a document;
 * unpacked first if it is gzip.
 */
function readText(path: string): FileText {
  const { text, encoding } = toText(path, readBytes(path));
  const name = path.replace(/\.gz$/i, "");
  if (text.length === 0) return { path, text, encoding };
  if (/\.(jsonl|ndjson)$/i.test(name)) return { path, text: jsonlText(path, text), encoding };
  if (/\.json$/i.test(name)) return { path, text: jsonText(path, text), encoding };
  return { path, text: text.at(-1) === 0x0a ? text : Buffer.concat([text, Buffer.from("\n")]), encoding };
}

const CONVERT = "Convert text of another encoding, for instance with iconv -f GBK -t UTF-8";

/** What is unusual about the files, one sentence for each kind. */
function notesOn(files: readonly FileText[]): readonly string[] {
  const seen = new Set<string>();
  const again = files.filter(({ path }) => seen.has(path) || !seen.add(path));
  const note = (which: readonly FileText[], words: string): readonly string[] =>
    which.length === 0 ? [] : [`${listed(which.map(({ path }) => path))} ${which.length === 1 ? "is" : "are"} ${words}`];
  const isMarked = ({ encoding }: FileText): boolean => encoding !== null && encoding !== "unknown";
  return [
    ...note(files.filter(({ text }) => text.length === 0), "empty and skipped"),
    ...note(files.filter(({ encoding }) => encoding === "unknown"), `not UTF-8; the bytes are taken as they are. ${CONVERT}`),
    ...note(files.filter(isMarked), "UTF-16 or UTF-32, as the mark at the beginning says, and read as such"),
    ...note(again, "named more than once, so what is held out of one copy is trained on in another"),
  ];
}

/** At most three, then how many more. */
const listed = (paths: readonly string[]): string =>
  `${paths.slice(0, 3).join(", ")}${paths.length > 3 ? ` and ${paths.length - 3} more` : ""}`;
