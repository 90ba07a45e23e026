/** Byte-level text as GPT-2 and its heirs write it (Radford et al. 2019): a visible character for each byte, and words. */

/** Bytes that stand for themselves in Latin-1: visible and no space. */
const isVisible = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** The character of each byte: its own where it is visible, else the next one from U+0100 on. */
export const CHARACTER_OF: readonly string[] = (() => {
  let hidden = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : hidden++));
})();

/** The alphabet in the order in which tokenizers number it: by character. */
export const ALPHABET: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte)
  .sort((a, b) => CHARACTER_OF[a]!.charCodeAt(0) - CHARACTER_OF[b]!.charCodeAt(0));

/** English endings, letters, digits and other signs, each with at most one space in front; spaces that no word follows; other spaces. */
export const WORDS = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
