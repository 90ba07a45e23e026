/** Whether the model says the last word of a text (LAMBADA): an item's only choice. */
import { decodeText } from "../data/index.ts";
import { scoreOf, sum64 } from "./choices.ts";
import type { Answer, Item, TaskProtocol } from "./items.ts";
import { encode, sequencesOf, type Reading, type Sequence } from "./requests.ts";
import { exponential, meanResult, perplexityResult, type Result } from "./results.ts";
import type { Scored } from "./score.ts";
import type { Scoring } from "./scoring.ts";

export const LAST_WORD: Scoring = {
  predicts: true,
  sequences: (item, reading) => (reading.protocol === "moeut" ? [wholeText(item, reading)] : sequencesOf(item, reading)),
  answer: (item, [scored], reading) => ANSWERS[reading.protocol](item, scored!, reading),
  results: (items, answers) => ("accuracy" in answers[0]!.measures ? moeutResults : harnessResults)(items, (name) =>
    answers.map(({ measures }) => measures[name]!)),
};

const wordOf = ({ choices: [word] }: Item): string => word!;

/** Tokens that the word has where it is encoded alone with a space in front. */
const wordTokens = (item: Item, reading: Reading): number => encode(reading, ` ${wordOf(item)}`).length;

/** moeut encodes and scores all of it; only the word must fit. */
function wholeText(item: Item, reading: Reading): Sequence {
  const tokens = encode(reading, `${item.context} ${wordOf(item)}`);
  return { tokens, from: 1, kept: Math.max(1, tokens.length - wordTokens(item, reading)) };
}

const ANSWERS: Readonly<Record<TaskProtocol, (item: Item, scored: Scored, reading: Reading) => Answer>> = {
  /** What is predicted for as many last tokens as the word has characters is decoded, and the word must follow its last space. */
  moeut(item, { tokens, losses, best }, reading) {
    const word = wordOf(item);
    const tail = decodeText(reading.tokenizer, best!.slice(-[...word].length));
    const predicted = tail.slice(tail.lastIndexOf(" ") + 1);
    const score = scoreOf(word, losses.slice(-wordTokens(item, reading)));
    return {
      choices: [score], predicted,
      measures: {
        accuracy: Number(predicted === word), last_token_accuracy: Number(best!.at(-1) === tokens.at(-1)),
        word_loss: -score.sum / score.tokens, text_loss: sum64(losses), text_tokens: losses.length,
      },
    };
  },
  /** All tokens of the word, each behind the true ones before it. */
  harness(item, { tokens, losses, best }, { tokenizer }) {
    const score = scoreOf(wordOf(item), losses);
    const isRight = tokens.every((token, i) => best![i] === token);
    return { choices: [score], predicted: decodeText(tokenizer, best!), measures: { acc: Number(isRight), log_likelihood: score.sum } };
  },
};

type Measured = (name: string) => readonly number[];

const moeutResults = (items: readonly Item[], of: Measured): readonly Result[] => [
  meanResult("accuracy", items, of("accuracy")), meanResult("last_token_accuracy", items, of("last_token_accuracy")),
  exponential(meanResult("perplexity", items, of("word_loss")), 1), perplexityResult("lm_perplexity", of("text_loss"), of("text_tokens")),
];

const harnessResults = (items: readonly Item[], of: Measured): readonly Result[] =>
  [meanResult("acc", items, of("acc")), exponential(meanResult("perplexity", items, of("log_likelihood")), -1)];
