import { KEYWORDS } from "../../grammar/tokens.ts";

/** "a1-moeut-g2" → "a1_moeut_g2"; "model" → "model_"; the fallback for what has no letters. */
export function identifier(name: unknown, fallback: string): string {
  const words = typeof name === "string" ? name.slice(0, 60).toLowerCase() : "";
  const text = words.replace(/[^a-z0-9]+/g, "_").replace(/^[_0-9]+|_+$/g, "");
  if (text === "") return fallback;
  return KEYWORDS.some((keyword) => keyword.name.toLowerCase() === text) ? `${text}_` : text;
}
