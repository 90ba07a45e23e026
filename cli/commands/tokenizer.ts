import type { Command } from "commander";
import { readSource } from "../../runtime/data/source.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { tokenizerText } from "../../runtime/tokenizer/file.ts";
import { trainMerges } from "../../runtime/tokenizer/train.ts";
import { countWords, textPieces, wordsOf } from "../../runtime/tokenizer/words.ts";
import { outFile, whole } from "../options.ts";
import { grouped, printJson, say } from "../terminal.ts";

interface Options {
  readonly vocabSize: number;
  readonly out: string;
  readonly json?: boolean;
}

/** A token for each byte, and the one between documents. */
const LEAST = 257;

export function define(command: Command): void {
  command.command("train").description("Train a byte-level BPE tokenizer on text, and write it as a Hugging Face tokenizer.json.")
    .argument("<source...>", "files, a quoted glob, - for standard input, or a built-in source (typescript, scan)")
    .requiredOption("--vocab-size <n>", `tokens, of which ${LEAST} are the bytes and the end of a text`, whole(LEAST))
    .requiredOption("--out <file>", "the tokenizer.json to write", outFile)
    .option("--json", "print the result as one JSON document")
    .action(train);
}

function train(source: readonly string[], { vocabSize, out, json }: Options): void {
  const { text, notes } = readSource(source);
  for (const note of notes) say(`note: ${note}`);
  const counts = countWords(wordsOf(textPieces(text)));
  say(`${grouped(text.length)} bytes, ${grouped(counts.size)} different words`);
  const merges = trainMerges(counts, { vocabSize, special: 1 });
  writeAtomic(out, tokenizerText(merges));
  const tokens = LEAST + merges.length;
  if (json === true) printJson({ tokenizer: out, tokens, bytes: text.length, words: counts.size });
  else if (tokens === vocabSize) process.stdout.write(`${out}: ${grouped(tokens)} tokens\n`);
  else process.stdout.write(`${out}: only ${grouped(tokens)} tokens, because no pair of them is left to merge\n`);
}
