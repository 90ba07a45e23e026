/** The parts of a tokenizer.json, the file format of Hugging Face's `tokenizers`, that are looked at here. */

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** Numbers of tokens; Unigram has a list of tokens with their scores. */
type Vocabulary = Readonly<Record<string, number>> | readonly (readonly [string, number])[];

export interface TokenizerJson {
  readonly added_tokens?: readonly AddedToken[] | null;
  readonly normalizer?: unknown;
  readonly pre_tokenizer?: { readonly type: string; readonly add_prefix_space?: boolean; readonly use_regex?: boolean } | null;
  readonly post_processor?: { readonly type: string } | null;
  readonly decoder?: { readonly type: string } | null;
  readonly model: TokenizerModel;
}

interface TokenizerModel {
  readonly type: string;
  readonly vocab: Vocabulary;
  readonly merges?: readonly (string | readonly [string, string])[];
  readonly dropout?: number | null;
  readonly unk_token?: string | null;
  readonly continuing_subword_prefix?: string | null;
  readonly end_of_word_suffix?: string | null;
  readonly byte_fallback?: boolean;
  readonly ignore_merges?: boolean;
  /** The SentencePiece file that this one was made of, in base 64: whoever knows the key takes its word. */
  readonly sentencepiece?: string;
}

/** For `split`: every second part is one of the texts, of those that begin at the same place the longest. */
export function addedPattern(texts: readonly string[]): RegExp {
  const sorted = [...texts].sort((a, b) => b.length - a.length).map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`(${sorted.length === 0 ? "(?!)" : sorted.join("|")})`);
}
