/** The entry of a thread that encodes batches. */
import { parentPort, workerData } from "node:worker_threads";
import { byteTokenizer } from "../data/index.ts";
import { messageOf, UserError } from "../errors.ts";
import { readTokenizer } from "../tokenizer/file.ts";
import { encodeBatch } from "./encode.ts";
import type { Answer, Question, ThreadData } from "./encoder.ts";

const { tokenizer: path, validation } = workerData as ThreadData;
const tokenizer = path === null ? byteTokenizer : readTokenizer(path);

parentPort!.on("message", (question: Question) => {
  const { answer, memory } = answerTo(question);
  parentPort!.postMessage(answer, memory);
});

function answerTo({ id, batch }: Question): { readonly answer: Answer; readonly memory: ArrayBuffer[] } {
  try {
    const encoded = encodeBatch(tokenizer, validation, batch);
    const memory = [encoded.train, encoded.validation].flatMap(({ tokens, starts }) => [tokens.buffer, starts.buffer] as ArrayBuffer[]);
    return { answer: { id, encoded }, memory };
  } catch (error) {
    const isMistake = error instanceof UserError;
    return { answer: { id, problem: isMistake ? messageOf(error) : String((error as Error).stack), isMistake }, memory: [] };
  }
}
