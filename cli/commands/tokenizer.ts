import type { Command } from "commander";
import { closed } from "../../runtime/data/document.ts";
import { sizeOnDisk, sourceDocuments } from "../../runtime/data/source.ts";
import { writeAtomic } from "../../runtime/files/write-atomic.ts";
import { tokenizerText } from "../../runtime/tokenizer/file.ts";
import { trainMerges } from "../../runtime/tokenizer/train.ts";
import { countWords, MOST_WORDS } from "../../runtime/tokenizer/words.ts";
import { grouped } from "../../runtime/units.ts";
import { endingAtOnce } from "../interrupt.ts";
import { outFile, whole } from "../options.ts";
import { createReadProgress } from "../read-progress.ts";
import { addSourceOptions, documentOptions, type SourceOptions } from "../source-options.ts";
import { once, printJson, say } from "../terminal.ts";

interface Options extends SourceOptions {
  readonly vocabSize: number;
  readonly out: string;
  readonly json?: boolean;
}

/** A token for each byte, and the one between documents. */
const LEAST = 257;

export function define(command: Command): void {
  addSourceOptions(command.command("train"))
    .description("Train a byte-level BPE tokenizer on text, and write it as a Hugging Face tokenizer.json.")
    .requiredOption("--vocab-size <n>", `tokens, of which ${LEAST} are the bytes and the end of a text`, whole(LEAST))
    .requiredOption("--out <file>", "the tokenizer.json to write", outFile)
    .option("--json", "print the result as one JSON document")
    .action(train);
}

const train = (source: readonly string[], options: Options): Promise<void> => endingAtOnce(() => trainOn(source, options));

async function trainOn(source: readonly string[], options: Options): Promise<void> {
  const { vocabSize, out, json } = options;
  const progress = createReadProgress(sizeOnDisk(source));
  let bytes = 0;
  const texts = async function* (): AsyncGenerator<Uint8Array> {
    const reading = { ...documentOptions(options), onRead: progress.onRead };
    for await (const document of sourceDocuments(source, reading, (note) => say(`note: ${note}`))) {
      const text = closed(document);
      bytes += text.length;
      progress.onText(bytes, 0);
      yield text;
    }
  };
  const counts = await countWords(texts(), MOST_WORDS, once(() => say(FORGETTING)));
  const onProgress = (merges: number): void => progress.show(() => `${grouped(LEAST + merges)} of ${grouped(vocabSize)} tokens`);
  const merges = trainMerges(counts, { vocabSize, special: 1, onProgress });
  progress.finish();
  say(`${grouped(bytes)} bytes, ${grouped(counts.size)} different words`);
  writeAtomic(out, tokenizerText(merges));
  const tokens = LEAST + merges.length;
  if (json === true) printJson({ tokenizer: out, tokens, bytes, words: counts.size });
  else if (tokens === vocabSize) process.stdout.write(`${out}: ${grouped(tokens)} tokens\n`);
  else process.stdout.write(`${out}: only ${grouped(tokens)} tokens, because no pair of them is left to merge\n`);
}

const FORGETTING = `note: more than ${grouped(MOST_WORDS)} different words: those that came least often are forgotten now and then`;
