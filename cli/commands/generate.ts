import type { Command } from "commander";
import { generateText } from "../../runtime/generate/index.ts";
import { loadWeights } from "../../runtime/train/index.ts";
import { endingAtOnce, interruptible, watchInterrupt } from "../interrupt.ts";
import { addAdapterOption, addSetOption, decimal, share, whole, type AdapterOption, type SetOption } from "../options.ts";
import { openSession } from "../../api/session.ts";
import { once, printJson, say } from "../terminal.ts";
import { readTrainedRun } from "../trained-run.ts";

interface Options extends SetOption, AdapterOption {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly seed: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  addAdapterOption(addSetOption(command.argument("<run>", "a run folder")))
    .option("--prompt <text>", "the text to continue", "\n")
    .option("--max-tokens <n>", "tokens to generate", whole(1), 200)
    .option("--seed <n>", "of the sampling", whole(0), 0)
    .option("--temperature <t>", "above 1 more varied, below 1 less, 0 always the most probable token", decimal(0), 1)
    .option("--top-k <k>", "only the k most probable tokens", whole(1))
    .option("--top-p <p>", "only the most probable tokens that together reach this probability", share)
    .option("--json", "print one JSON document at the end instead of streaming")
    .action(interruptible(run));
}

async function run(folder: string, options: Options): Promise<void> {
  const { model, tokenizer, weights } = readTrainedRun(folder, options.set);
  const { seqLen } = model;
  const session = await openSession(options, model, { batch: 1, seqLen, entries: ["prefill", "decode"], during: endingAtOnce });
  const interrupt = watchInterrupt("stopping", () => "the text ends here");
  try {
    loadWeights(weights, session.executor, session.params);
    const { prompt, maxTokens, seed, temperature, topK = null, topP = null } = options;
    const onSlide = once(() => say(`\n(the context of ${seqLen} tokens is full: the older half is dropped from here on)`));
    const sampling = { maxTokens, seqLen, seed, temperature, topK, topP, onSlide };
    const text = await collect(generateText(session.executor, tokenizer, prompt, sampling), options, interrupt.requested);
    if (options.json === true) printJson({ run: folder, prompt, text, seed, max_tokens: maxTokens, temperature, top_k: topK, top_p: topP });
    else process.stdout.write("\n");
  } finally {
    interrupt.dispose();
    session.close();
  }
}

/** Streams to standard output, prompt first, and returns the generated text. */
async function collect(pieces: AsyncGenerator<string>, { prompt, json }: Options, isStopped: () => boolean): Promise<string> {
  if (json !== true) process.stdout.write(prompt);
  let text = "";
  for await (const piece of pieces) {
    if (json !== true) process.stdout.write(piece);
    text += piece;
    if (isStopped() || process.stdout.errored !== null) break;
  }
  return text;
}
