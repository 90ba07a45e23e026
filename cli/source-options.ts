/** Sources as commands take them that read documents: which they are, and where in them the text is. */
import { Option, type Command } from "commander";
import { PLAIN, type DocumentOptions } from "../runtime/data/document.ts";
import { UserError } from "../runtime/errors.ts";

export interface SourceOptions {
  readonly field: string;
  readonly between: string;
}

const BETWEEN = new Option("--between <text>", "what separates documents within text files, such as '\\n\\n' or '<|endoftext|>'")
  .argParser(unescaped).default("", "none: a file is a document");

export function addSourceOptions(command: Command): Command {
  return command.argument("<source...>", "files, directories, a quoted glob, - for standard input, or a built-in source (typescript, scan)")
    .option("--field <name>", "where the text is in JSONL, JSON, CSV, TSV and Parquet; further down as in meta.text", "text")
    .addOption(BETWEEN);
}

export const documentOptions = ({ field, between }: SourceOptions): DocumentOptions => ({ ...PLAIN, field, between, tables: true });

const CHARACTERS: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", "\\": "\\" };

/** A parser for commander: \n, \r, \t and \\ as in C. */
function unescaped(text: string): string {
  return text.replace(/\\(.?)/gsu, (escape, letter: string) => {
    if (Object.hasOwn(CHARACTERS, letter)) return CHARACTERS[letter]!;
    throw new UserError(`--between: ${escape} is not understood; of escapes there are \\n, \\r, \\t and \\\\`);
  });
}
