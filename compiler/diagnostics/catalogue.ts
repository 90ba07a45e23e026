/** Every message a user can see, by code. One file per subject; a code says where its bad spec or test is found. */
import type { Message } from "./entry.ts";
import { COUNT_MESSAGES } from "./catalogue/counts.ts";
import { FUNCTION_MESSAGES } from "./catalogue/functions.ts";
import { LINT_MESSAGES } from "./catalogue/lints.ts";
import { NAME_MESSAGES } from "./catalogue/names.ts";
import { SYNTAX_MESSAGES } from "./catalogue/syntax.ts";
import { VALUE_MESSAGES } from "./catalogue/values.ts";

/** Messages about the text of a spec: each has test/specs/bad/CODE.moeut. */
export const SPEC_MESSAGES = {
  ...SYNTAX_MESSAGES, ...NAME_MESSAGES, ...VALUE_MESSAGES, ...FUNCTION_MESSAGES, ...COUNT_MESSAGES, ...LINT_MESSAGES,
};

export const CATALOGUE = { ...SPEC_MESSAGES };

export type Code = keyof typeof CATALOGUE;
export type Facts<C extends Code> = (typeof CATALOGUE)[C] extends Message<infer P> ? P : never;
