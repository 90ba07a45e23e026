/** Words of other systems that are no name of anything here: what to write in their place, or what comes nearest. */
import { notYet } from "./not-yet.ts";

/** Case, `-` and `_` do not matter. */
const WRITTEN: Readonly<Record<string, string>> = {
  swiglu: "activation silu  glu true", geglu: "activation gelu  glu true", reglu: "activation relu  glu true", swish: "activation silu",
  geluexact: "activation gelu", gelunew: "activation gelu_tanh", gelufast: "activation gelu_tanh", squaredrelu: "activation relu2",
  relusquared: "activation relu2", gqa: "attention mha { n_kv_heads 2 }", groupedquery: "attention mha { n_kv_heads 2 }",
  mqa: "attention mha { n_kv_heads 1 }", multiquery: "attention mha { n_kv_heads 1 }", multihead: "attention mha",
  slidingwindow: "window 256", mlp: "feed_forward dense", sigmamoe: "feed_forward moe", adam: "optimizer adamw { weight_decay 0 }",
  preln: "norm layernorm at pre", postln: "norm layernorm at post", periln: "norm layernorm at peri", prenorm: "norm layernorm at pre",
  postnorm: "norm layernorm at post",
};

/** A hint for a word that means something elsewhere, or null. */
export function elsewhere(word: string): string | null {
  const plain = word.toLowerCase().replaceAll(/[-_]/g, "");
  return Object.hasOwn(WRITTEN, plain) ? `\`${word}\` is written \`${WRITTEN[plain]}\` here` : notYet(word);
}
