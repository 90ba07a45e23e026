/** Words between spaces as tokens: a tokenizer.json of the kind WordLevel. */
import type { TextCode } from "../text.ts";
import type { TokenizerJson } from "./json.ts";

/**
 * Texts come back with single spaces between words. Encoding throws a RangeError for a word that is none of them, unless there is a
 * token for those.
 * @returns null for every other kind of file
 */
export function wordLevelCode({ model, normalizer, pre_tokenizer: pre, added_tokens: added }: TokenizerJson): TextCode | null {
  if (model.type !== "WordLevel" || pre?.type !== "WhitespaceSplit" || normalizer || Array.isArray(model.vocab)) return null;
  const addedWords = (added ?? []).map(({ content, id }) => [content, id] as const);
  const known = [...Object.entries(model.vocab as Readonly<Record<string, number>>), ...addedWords];
  const [ids, words] = [new Map(known), new Map(known.map(([word, id]) => [id, word]))];
  const other = ids.get(model.unk_token ?? "");
  const tokenOf = (word: string): number => ids.get(word) ?? other ?? unknown(word);
  return {
    vocabSize: Math.max(...words.keys()) + 1, isWhole: true,
    encode: (pieces) => [Array.from(pieces).join("").split(/\s+/).filter((word) => word !== "").map(tokenOf)],
    decoder: () => {
      let before = "";
      const next = (token: number): string => {
        const text = before + (words.get(token) ?? "");
        before = " ";
        return text;
      };
      return { next, end: () => "" };
    },
  };
}

function unknown(word: string): never {
  throw new RangeError(`the word "${word}" is not in this vocabulary, which has no token for others`);
}
