/** Bytes as tokens, as a tokenizer.json for others: a byte-level vocabulary without merges, in which each byte is its own number. */
import { CHARACTER_OF } from "../standalone/tokenizer/byte-level.ts";

const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

export const BYTE_TOKENIZER = `${JSON.stringify({
  version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: BYTE_LEVEL, post_processor: null,
  decoder: { ...BYTE_LEVEL, add_prefix_space: true },
  model: {
    type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false,
    byte_fallback: false, ignore_merges: false,
    vocab: Object.fromEntries(CHARACTER_OF.map((character, byte) => [character, byte])), merges: [],
  },
}, null, 1)}\n`;
