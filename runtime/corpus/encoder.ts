/** Batches to tokens, by threads where there are some to be had. */
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Tokenizer } from "../data/index.ts";
import { EnvironmentError, UserError } from "../errors.ts";
import type { Batch } from "./batches.ts";
import { encodeBatch, type Encoded } from "./encode.ts";

export interface Encoder {
  /** Batches that are worth having under way at the same time. */
  readonly ahead: number;
  encode(batch: Batch): Promise<Encoded>;
  close(): void;
}

export interface ThreadData {
  /** The tokenizer.json; null where every byte is a token. */
  readonly tokenizer: string | null;
  readonly validation: number;
}
export interface Question {
  readonly id: number;
  readonly batch: Pick<Batch, "text" | "ends" | "continues">;
}
export type Answer = { readonly id: number } & ({ readonly encoded: Encoded } | { readonly problem: string; readonly isMistake: boolean });

/** Beside the bundle; where sources run as they are there is none, and this thread does it all. */
const ENTRY = new URL("./encode-worker.js", import.meta.url);

/**
 * This thread reads, which leaves it little time for more: it is one of the threads.
 * @param path of the tokenizer's file, for threads that make their own of it
 */
export function createEncoder(tokenizer: Tokenizer, path: string, validation: number, threads: number): Encoder {
  if (threads === 1 || !existsSync(ENTRY)) {
    return { ahead: 1, encode: async (batch) => encodeBatch(tokenizer, validation, batch), close: () => {} };
  }
  const data: ThreadData = { tokenizer: tokenizer.file === undefined ? null : path, validation };
  const crew = Array.from({ length: threads - 1 }, () => startThread(data));
  let next = 0;
  return {
    ahead: 2 * crew.length,
    encode: (batch) => crew[next++ % crew.length]!.ask(batch),
    close: () => crew.forEach((thread) => thread.stop()),
  };
}

interface Thread {
  ask(batch: Batch): Promise<Encoded>;
  stop(): void;
}

interface Waiting {
  readonly resolve: (encoded: Encoded) => void;
  readonly reject: (error: Error) => void;
}

/** Of a thread's memory, for what is gone soon: the engine would take several times as much, and it is no faster. */
const YOUNG = 8;

function startThread(workerData: ThreadData): Thread {
  const waiting = new Map<number, Waiting>();
  const worker = new Worker(ENTRY, { workerData, execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: YOUNG } });
  let failure: Error | null = null;
  const failed = (error: Error): void => {
    failure ??= error;
    waiting.forEach(({ reject }) => reject(failure!));
  };
  worker.on("message", (answer: Answer) => {
    const { resolve, reject } = waiting.get(answer.id)!;
    waiting.delete(answer.id);
    if ("encoded" in answer) resolve(answer.encoded);
    else reject(answer.isMistake ? new UserError(answer.problem) : new Error(answer.problem));
  });
  worker.on("error", failed);
  worker.on("exit", (code) => failed(new EnvironmentError(`a thread ended with status ${code}`)));
  let id = 0;
  return {
    ask: ({ text, ends, continues }) => new Promise((resolve, reject) => {
      if (failure !== null) return reject(failure);
      waiting.set(++id, { resolve, reject });
      const question: Question = { id, batch: { text, ends, continues } };
      worker.postMessage(question, [text.buffer as ArrayBuffer]);
    }),
    stop: () => void worker.terminate(),
  };
}
