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

/**
 * English endings, letters, digits and other signs, each with at most one space in front; spaces that no word follows; other spaces.
 * Spaces are what Unicode says: JavaScript's \s has U+FEFF and lacks U+0085.
 */
const WORDS =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** A text as the words that merges stay within. */
export const wordsOf = (text: string): Iterable<string> => (text.match(WORDS) ?? []);

export interface Cutter {
  /** What can be taken apart into words by now, whatever follows. */
  next(piece: string): string;
  /** What is left. */
  end(): string;
}

/** For a text that comes in pieces: where these are cut changes no word. */
export function createCutter(): Cutter {
  let rest = "";
  return {
    next: (piece) => {
      const text = rest + piece;
      const cut = lastCut(text);
      rest = text.slice(cut);
      return text.slice(0, cut);
    },
    end: () => rest,
  };
}

/** The last place where a word ends whatever follows: in front of a space behind something else. */
function lastCut(text: string): number {
  for (let at = text.length - 1; at > 0; at--) if (isSpace(text, at) && !isSpace(text, at - 1)) return at;
  return 0;
}

const isSpace = (text: string, at: number): boolean => /\p{White_Space}/u.test(text[at]!);
