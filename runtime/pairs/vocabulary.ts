/** The words of a task as a tokenizer.json of the kind WordLevel, which other programs read too. */

/** Where source, target and both begin and end; and what no text holds. */
export const [BOS, SEP, EOS] = ["<bos>", "<sep>", "<eos>"] as const;
const [PAD, UNK] = ["<pad>", "<unk>"] as const;

/** @param words numbered in this order, behind the special ones @param open all other words are UNK; else there are no others */
export function vocabularyText(words: readonly string[], open: boolean): string {
  const special = [PAD, BOS, SEP, EOS, ...(open ? [UNK] : [])];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return `${JSON.stringify({
    version: "1.0", truncation: null, padding: null, added_tokens: special.map((content, id) => ({ id, content, ...flags })),
    normalizer: null, pre_tokenizer: { type: "WhitespaceSplit" }, post_processor: null, decoder: null,
    model: { type: "WordLevel", vocab: Object.fromEntries([...special, ...words].map((word, id) => [word, id])), unk_token: UNK },
  }, null, 1)}\n`;
}
