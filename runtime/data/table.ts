/** Texts in a column of CSV and TSV files (RFC 4180): a first row of names, fields in quotes where they hold what separates others. */
import { isUtf8 } from "node:buffer";
import { UserError } from "../errors.ts";
import { someOf, whole, type Document, type DocumentOptions, type TextPieces } from "./document.ts";
import { linesOf } from "./lines.ts";
import { unpackedName } from "./unpack.ts";

/** A document for each row. UserError, with the line, for a row that has no such column, and for a quote that is not closed. */
export async function* tableDocuments(path: string, text: TextPieces, { field }: DocumentOptions): AsyncGenerator<Document> {
  const record = createRecord(/\.tsv$/i.test(unpackedName(path)) ? "\t" : ",");
  let names: readonly string[] | null = null;
  let column = 0;
  let first = 1; // line of the record
  for await (const [line, content] of linesOf(path, text())) {
    if (!isUtf8(content)) throw new UserError(`${path}:${line}: this line is not UTF-8; ${CONVERT} ${path}`);
    if (!record.isOpen()) first = line;
    const fields = record.push(content.toString("utf8"));
    if (fields === null || (fields.length === 1 && fields[0] === "")) continue;
    if (names === null) [names, column] = [fields, columnOf(path, fields, field)];
    else yield whole(fields[column] ?? tooShort(`${path}:${first}`, fields, names, field));
  }
  if (record.isOpen()) throw new UserError(`${path}:${first}: a quote is opened in this row and never closed`);
}

const CONVERT = "convert it, for instance with iconv -f LATIN1 -t UTF-8";

function columnOf(path: string, names: readonly string[], field: string): number {
  const column = names.indexOf(field);
  if (column >= 0) return column;
  throw new UserError(`${path}:1: the first row names no column "${field}" (it names ${someOf(names)}); choose one with --field`);
}

function tooShort(place: string, fields: readonly string[], names: readonly string[], field: string): never {
  throw new UserError(`${place}: this row has ${fields.length} of ${names.length} columns, and "${field}" is not among them`);
}

interface Record {
  /** @returns the fields, or null if a quote is open and the next line belongs to them */
  push(line: string): readonly string[] | null;
  isOpen(): boolean;
}

function createRecord(delimiter: string): Record {
  let fields: string[] = [];
  let open: string[] | null = null; // lines of a field in quotes
  /** What stands in quotes from `at` on. @returns where it ends, behind the quote */
  const quoted = (line: string, at: number): number => {
    let end = line.indexOf('"', at);
    while (end >= 0 && line[end + 1] === '"') end = line.indexOf('"', end + 2);
    open!.push(line.slice(at, end < 0 ? undefined : end).replaceAll('""', '"'));
    return end < 0 ? line.length + 1 : end + 1;
  };
  return {
    isOpen: () => open !== null,
    push(line) {
      for (let at = 0; ; ) {
        let text = "";
        if (open !== null || line[at] === '"') {
          const from = open === null ? at + 1 : at;
          open ??= [];
          at = quoted(line, from);
          if (at > line.length) return null;
          text = open.join("\n");
          open = null;
        }
        const next = line.indexOf(delimiter, at);
        text += line.slice(at, next < 0 ? undefined : next);
        fields.push(next < 0 && text.endsWith("\r") ? text.slice(0, -1) : text);
        if (next < 0) break;
        at = next + 1;
      }
      const done = fields;
      fields = [];
      return done;
    },
  };
}
