/** Models that tests of several files train within seconds, and texts to score. */

/** Experts in both blocks, for a tokenizer of 300 tokens. */
export const EXPERTS = `moeut 1
model small {
  vocab_size 300  seq_len 64  d_model 16
  layer a {
    norm layernorm at peri
    attention switchhead { n_heads 2  d_head 8  n_experts 2 on v, o  top_k 1 }
    feed_forward moe { n_experts 4  expert_size 8  top_k 2 }
  }
  stack a * 2
}
train { batch 4  steps 12  optimizer adamw { lr 1e-2 } }
`;

/** Last words to predict: one that recurs, behind a line's end, of characters of several bytes, and at the end of more than a context. */
export const PASSAGES: readonly string[] = [
  "the cat sits and the dogs sit. the cat sits and the dogs", "2 + 2 = 4 and 3 + 3 =\n6. 6", "sit the catß",
  `${"the cat sits and the dogs sit. 2 + 2 = 4 ".repeat(8)}and the dogs sit.`,
];

/** A model m of bytes, in two widths. @param compare further settings of the comparison @param train of its runs */
export const twoWidths = (compare: string, train: string): string => `moeut 1
model m {
  vocab_size 256  seq_len 16  d_model 16
  layer a { norm layernorm at pre  attention mha { n_heads 2  d_head 8 }  feed_forward dense { d_ff 32 } }
  stack a * 2
}
compare widths { base m  vary feed_forward.d_ff in 32, 48  seeds 2  ${compare} }
train { batch 4  ${train} }
`;
