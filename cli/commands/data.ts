import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { total } from "../../runtime/corpus/corpus.ts";
import { isCorpus, PARTS, readIndex, type CorpusIndex } from "../../runtime/corpus/index-file.ts";
import { prepare } from "../../runtime/corpus/prepare.ts";
import { damageOf } from "../../runtime/corpus/shard.ts";
import { sizeOnDisk, sourceDocuments } from "../../runtime/data/source.ts";
import { severalProblems, UserError } from "../../runtime/errors.ts";
import { withOwnFolder } from "../../runtime/files/folder.ts";
import { formatDuration } from "../../runtime/train/index.ts";
import { bytes, grouped } from "../../runtime/units.ts";
import { endingAtOnce } from "../interrupt.ts";
import { outFolder, part, whole } from "../options.ts";
import { createReadProgress } from "../read-progress.ts";
import { addSourceOptions, documentOptions, type SourceOptions } from "../source-options.ts";
import { printJson, say } from "../terminal.ts";
import { tokenizerFor, tokenizerOption } from "../tokenizer.ts";

interface PrepareOptions extends SourceOptions {
  readonly tokenizer?: string;
  readonly out: string;
  readonly validation: number;
  readonly threads?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addSourceOptions(command.command("prepare"))
    .description("Make tokens of a corpus that need not fit into memory. What is done stays done: the same command again goes on.")
    .addOption(tokenizerOption())
    .requiredOption("--out <folder>", "the prepared corpus, for --data of train, compare and eval", outFolder)
    .option("--validation <share>", "documents to hold out, by a hash of their text", part, 0.05)
    .option("--threads <n>", "threads that make tokens; they change none (default: one for each core)", whole(1))
    .option("--json", "print the result as one JSON document")
    .action((source: readonly string[], options: PrepareOptions) => endingAtOnce(() => runPrepare(source, options)));
  command.command("check").description("Hold every file of a prepared corpus against its checksum.")
    .argument("<folder>", "a prepared corpus")
    .action(check);
}

async function runPrepare(source: readonly string[], options: PrepareOptions): Promise<void> {
  const { out, validation, field, between, json } = options;
  const tokenizer = tokenizerFor(options, []);
  const progress = createReadProgress(sizeOnDisk(source));
  const note = (text: string): void => (progress.finish(), say(`note: ${text}`));
  const started = performance.now();
  const index = await withOwnFolder(out, () => prepare({
    folder: out, source, documents: sourceDocuments(source, { ...documentOptions(options), onRead: progress.onRead }, note),
    tokenizer, validation, field, between, threads: options.threads ?? availableParallelism(), onProgress: progress.onText, note,
  }));
  progress.finish();
  const seconds = (performance.now() - started) / 1000;
  if (json === true) printJson({ corpus: out, ...counts(index), shards: index.shards.length, kept_bytes: progress.kept(), seconds });
  else process.stdout.write(resultText(out, index, seconds));
}

const counts = (index: CorpusIndex) => Object.fromEntries(PARTS.map((name) => [name, {
  tokens: total(index, name, ({ tokens }) => tokens), documents: total(index, name, ({ documents }) => documents),
  bytes: total(index, name, (of) => of.bytes),
}])) as Readonly<Record<(typeof PARTS)[number], { readonly tokens: number; readonly documents: number; readonly bytes: number }>>;

function resultText(out: string, index: CorpusIndex, seconds: number): string {
  const { train, validation } = counts(index);
  const words = ({ tokens, documents }: typeof train): string => `${grouped(tokens)} tokens of ${grouped(documents)} documents`;
  const empty = index.validation > 0 && validation.documents === 0
    ? "\nnothing is held out: there are too few documents; separate them with --between, or hold out more, with another --out" : "";
  const text = `${bytes(train.bytes + validation.bytes)} of text in ${formatDuration(seconds)}`;
  return `${out}: ${words(train)} to train on, ${words(validation)} held out; ${text}${empty}\n`;
}

function check(folder: string): void {
  if (!isCorpus(folder)) throw new UserError(`${folder} is no prepared corpus: it has no index.json of one`);
  const index = readIndex(folder);
  const damages = index.shards.flatMap((shard) => PARTS.flatMap((name) => damageOf(folder, name, shard) ?? []));
  if (damages.length > 0) throw severalProblems(folder, damages);
  const unfinished = index.complete ? "" : "; it is not finished: the same `moeut data prepare` again goes on with it";
  const count = index.shards.length;
  const words = count === 1 ? "1 shard, as it was written" : `${grouped(count)} shards, all as they were written`;
  process.stdout.write(`${folder}: ${words}${unfinished}\n`);
}
