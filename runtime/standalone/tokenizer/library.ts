/** Any other tokenizer.json, by the library `@huggingface/tokenizers`. */
import type { TextCode, TextDecoding } from "../text.ts";
import type { TokenizerJson } from "./json.ts";

/** What the library is to us. */
export interface Library {
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: number[] };
  decode(ids: number[], options: { readonly skip_special_tokens: boolean }): string;
}

export type LibraryClass = new (json: object, config: object) => Library;

export function libraryCode(json: TokenizerJson, Library: LibraryClass): TextCode {
  const library = new Library(json, { clean_up_tokenization_spaces: false });
  return {
    vocabSize: sizeOf(json), isWhole: true,
    // Text is looked at as a whole: where it may be cut depends on the tokenizer.
    encode: (pieces) => [library.encode(Array.from(pieces).join(""), { add_special_tokens: false }).ids],
    decoder: () => decoding(library),
  };
}

function sizeOf({ model: { vocab }, added_tokens: added }: TokenizerJson): number {
  const isList = Array.isArray(vocab);
  const ids = [...(isList ? vocab.keys() : Object.values(vocab as object) as number[]), ...(added ?? []).map(({ id }) => id)];
  return ids.reduce((most, id) => Math.max(most, id + 1), 0);
}

/** What a token reads depends on those before it: the last ones that gave text are decoded with and without what follows. */
function decoding(library: Library): TextDecoding {
  let before: readonly number[] = [];
  let waiting: readonly number[] = [];
  const textOf = (tokens: readonly number[]): string =>
    (tokens.length === 0 ? "" : library.decode([...tokens], { skip_special_tokens: false }));
  const textOfWaiting = (): string => textOf([...before, ...waiting]).slice(textOf(before).length);
  return {
    next: (token) => {
      waiting = [...waiting, token];
      const text = textOfWaiting();
      if (text === "" || text.endsWith("\ufffd")) return ""; // part of a character, it may be
      [before, waiting] = [waiting, []];
      return text;
    },
    end: textOfWaiting,
  };
}
