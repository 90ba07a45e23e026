/** What the language does not have: the page, and the messages that lead to it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMPARE, LAYER, MODEL, STATEMENTS, SYNONYMS } from "../compiler/2-check/language.ts";
import { homesOf } from "../compiler/2-check/names.ts";
import type { Kind } from "../compiler/2-check/field.ts";
import { NOT_YET, notYet } from "../compiler/diagnostics/not-yet.ts";
import { checkText } from "./support/corpus.ts";

const page = readFileSync(new URL("../docs/not-yet.md", import.meta.url), "utf8");
const WORDS = NOT_YET.flatMap(({ words }) => words);

/** Kinds of blocks, and words that fields take. */
function choicesIn({ fields, blocks }: Kind): readonly string[] {
  const words = Object.values(fields).flatMap(({ type }) => ("choices" in type ? type.choices : "words" in type ? type.words : []));
  return [
    ...words, ...Object.values(blocks).flatMap(({ kinds }) => Object.entries(kinds).flatMap(([word, kind]) => [word, ...choicesIn(kind)])),
  ];
}

test.each(NOT_YET)("the page says what comes nearest to $idea", ({ idea, nearest }) => {
  const paragraph = page.split("\n\n").find((text) => text.toLowerCase().startsWith(`**${idea}**`)) ?? "";
  expect(paragraph).not.toBe("");
  for (const [code] of nearest.matchAll(/`[^`]+`/g)) expect(paragraph.replaceAll("\n", " "), idea).toContain(code.slice(1, -1));
});

test("no such word is one of the language, or of another idea", () => {
  const taken = [MODEL, LAYER, COMPARE].flatMap(choicesIn);
  for (const word of WORDS) expect([...homesOf(word), ...taken.filter((other) => other === word), ...Object.keys({ ...SYNONYMS, ...STATEMENTS }).filter((other) => other === word)], word).toEqual([]);
  const plain = WORDS.map((word) => word.replaceAll("_", ""));
  expect(new Set(plain).size).toBe(plain.length);
});

const inLayer = (text: string): string => `model m { layer a { ${text} } }`;
test.each([
  [inLayer("attention mla { n_heads 2 }"), "latent attention"],
  [inLayer("attention mha { kv_lora_rank 16 }"), "latent attention"],
  [inLayer("feed_forward moe { n_group 4 }"), "grouped routing"],
  [inLayer("feed_forward moe { router { topk_group 2 } }"), "grouped routing"],
  [inLayer("feed_forward moe { capacity_factor 1.25 }"), "limit to the tokens of an expert"],
  [inLayer("feed_forward expert_choice {}"), "expert choice"],
  [inLayer("dropout 0.1"), "dropout"],
  [inLayer("attention mha { positions alibi }"), "other positions"],
  ["model m { halting mor  layer a {} }", "mixture of recursions"],
  ["model m { layer a {}  stack MoR(a) * 4 }", "mixture of recursions"],
  ["model m { core { mean_recurrence 8 }  layer a {}  stack core(a) * 4 }", "sampled depth"],
  ["model m { mtp { n 2 }  layer a {} }", "multi-token prediction"],
  ["train { optimizer muon { lr 1 } }\nmodel m { layer a {} }", "other optimizers"],
  ["tokenizer bpe\nmodel m { layer a {} }", "tokenizers"],
])("%s: the message says so", (text, idea) => {
  const { hint } = checkText(`moeut 1\n${text}`).diagnostics[0]!;
  expect(hint).toMatch(new RegExp(`^the language has no ${idea} yet; nearest is .*docs/not-yet.md`));
});

test("and for overrides", () => {
  const { diagnostics } = checkText(`moeut 1\n${inLayer("attention mha {}")}`, ["attention.kv_lora_rank=16"]);
  expect(diagnostics[0]!.hint).toContain("latent attention");
  expect(notYet("n_experts")).toBeNull();
});
