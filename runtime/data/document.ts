/** What a corpus consists of, and how files are taken apart into it. */
import { UserError } from "../errors.ts";

export interface Document {
  /** UTF-8, or the bytes as they are where a text file is of an unknown encoding. */
  readonly text: Uint8Array;
  /** The rest of it comes as the next one: a long text file is cut into passages. */
  readonly continues: boolean;
}

export interface DocumentOptions {
  /** The field or column that holds the text; of JSON and Parquet perhaps further down, as in meta.text. */
  readonly field: string;
  /** CSV and TSV are tables; else they are texts like any other. */
  readonly tables: boolean;
  /** What stands between the documents of text files, and belongs to none. "": a file is a document. */
  readonly between: string;
  /** Told of every piece that was read, in bytes as they lie on disk. */
  readonly onRead: (bytes: number) => void;
}

/** As texts are read where nothing else is said. */
export const PLAIN: DocumentOptions = { field: "text", tables: false, between: "", onRead: () => {} };

/** The text of a file piece by piece, decoded. */
export type TextPieces = () => AsyncGenerator<Uint8Array>;

export const whole = (text: string | Uint8Array): Document => ({ text: Buffer.from(text as string), continues: false });

/** The text of a document as it is learned where no token says that it ends: with a newline at its end. */
export const closed = ({ text, continues }: Document): Uint8Array =>
  continues || text.at(-1) === 0x0a ? text : Buffer.concat([text, Buffer.from("\n")]);

/**
 * The value at a path of names: `meta.text` is the field of that name, or the field text of the field meta.
 * @returns undefined if there is none
 */
function valueAt(value: unknown, path: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  if (Object.hasOwn(value, path)) return (value as Record<string, unknown>)[path];
  for (let dot = path.indexOf("."); dot > 0; dot = path.indexOf(".", dot + 1)) {
    const found = valueAt((value as Record<string, unknown>)[path.slice(0, dot)], path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first names, none at great length: whoever wrote the file chose them. */
export const someOf = (names: readonly string[]): string => names.slice(0, 8).map((name) => name.slice(0, 60)).join(", ");

/** UserError that says what is there instead. @param what the thing that should have it, with its place */
export function textAt(what: string, value: unknown, field: string, hint = ""): string | Uint8Array {
  const text = valueAt(value, field);
  if (typeof text === "string" || text instanceof Uint8Array) return text;
  const fields = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
  const known = fields.length === 0 ? "" : ` (it has ${someOf(fields)})`;
  throw new UserError(`${what} has no field "${field}" that is a string${known}${hint}`);
}
