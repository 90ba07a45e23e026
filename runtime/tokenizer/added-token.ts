import type { AddedToken } from "../standalone/tokenizer/json.ts";

/** A token that is found wherever its text is spelled out. @param special not part of decoded text */
export const addedToken = (id: number, content: string, special: boolean): AddedToken =>
  ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special });
