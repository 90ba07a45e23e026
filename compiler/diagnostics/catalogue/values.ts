/** Values that a field cannot take, and values that contradict each other. */
import { error, grouped, oneOf, plural, suggest } from "../entry.ts";
import { elsewhere } from "../elsewhere.ts";

export const VALUE_MESSAGES = {
  "missing-value": error<{ name: string; expected: string }>({
    message: (p) => `\`${p.name}\` has no value`,
    hint: (p) => `write ${p.expected} behind it, on the same line`,
  }),
  "wrong-value": error<{ name: string; expected: string; found: string }>({
    message: (p) => `\`${p.name}\` takes ${p.expected}, not ${p.found}`,
  }),
  "unknown-choice": error<{ name: string; found: string; nearest: string | null; choices: readonly string[]; definition: string | null }>({
    message: (p) => `\`${p.name}\` cannot be \`${p.found}\``,
    hint: (p) => elsewhere(p.found) ?? suggest(p.nearest, p.choices) + (p.definition !== null && p.nearest === null ? `, or define it at the top of the file: \`${p.definition}\`` : ""),
  }),
  "out-of-range": error<{ name: string; value: string; range: string }>({
    message: (p) => `\`${p.name}\` is ${p.value}, but must be ${p.range}`,
  }),
  "indistinct-number": error<{ what: string; bound: number }>({
    message: (p) => `${p.what}, which single precision cannot tell from ${p.bound}`,
    hint: (p) => `models compute in single precision: write ${p.bound === 0 ? "0 where it is allowed, or 1.2e-38 or more" : `at most ${p.bound} − 1e-7`}`,
  }),
  "repeated-value": error<{ name: string; value: string }>({
    message: (p) => `\`${p.name}\` names \`${p.value}\` twice`,
    hint: () => "remove one",
  }),
  "conflicting-values": error<{ name: string; first: string; second: string }>({
    message: (p) => `\`${p.name}\` cannot be both \`${p.first}\` and \`${p.second}\``,
    hint: () => "choose one of the two",
  }),
  "rival-fields": error<{ name: string; rival: string }>({
    message: (p) => `\`${p.name}\` and \`${p.rival}\` say the same in two ways`,
    hint: () => "remove one of the two",
  }),
  "unexpected-clause": error<{ word: string; name: string; homes: readonly string[] }>({
    message: (p) => `\`${p.name}\` takes no \`${p.word}\``,
    hint: (p) => (p.homes.length === 0 ? `remove \`${p.word}\` and what follows it` : `\`${p.word}\` belongs to ${oneOf(p.homes)}`),
  }),
  "not-a-block": error<{ name: string }>({
    message: (p) => `\`${p.name}\` is a field: it has a value, not braces`,
    hint: (p) => `write \`${p.name}\`, a space, and its value`,
  }),
  "top-k-exceeds-experts": error<{ topK: number; nExperts: number }>({
    message: (p) => `top_k is ${p.topK}, but this layer has only ${plural(p.nExperts, "expert")}`,
    hint: (p) => `each token visits top_k different experts; choose a value from 1 to ${p.nExperts}`,
  }),
  "sampled-exceeds-top-k": error<{ sampled: number; topK: number }>({
    message: (p) => `${plural(p.sampled, "expert")} cannot be drawn of the ${p.topK} that a token uses`,
    hint: (p) => `choose a \`sampled\` from 0 to ${p.topK}`,
  }),
  "uneven-heads": error<{ dModel: number; nHeads: number }>({
    message: (p) => `d_head is d_model / n_heads by default, but ${p.dModel} is not divisible by ${p.nHeads}`,
    hint: (p) => `write d_head: for instance \`d_head ${Math.max(1, Math.floor(p.dModel / p.nHeads))}\``,
  }),
  "uneven-kv-heads": error<{ nHeads: number; nKvHeads: number }>({
    message: (p) => `${plural(p.nHeads, "query head")} cannot share ${plural(p.nKvHeads, "head")} of keys and values evenly`,
    hint: (p) => `choose an n_kv_heads that divides ${p.nHeads}`,
  }),
  "parallel-post": error<Record<string, never>>({
    message: () => "blocks that are added to one stream have no sum between them, so no norm can stand behind each",
    hint: () => "write `norm … at pre`, `at peri` or `at sandwich`, or leave `parallel` out",
  }),
  "gate-of-nothing": error<Record<string, never>>({
    message: () => "shared_gate gates the experts that every token visits, and there are none",
    hint: () => "write `n_shared 1`, or leave `shared_gate` out",
  }),
  "uneven-stretch": error<{ low: number; high: number }>({
    message: (p) => `channels between ${p.low} and ${p.high} turns are to be stretched in part, but there are none`,
    hint: (p) => `choose a \`high\` above ${p.low}`,
  }),
  "accumulated-balance": error<{ kind: string; accumulate: number }>({
    message: (p) => `\`balance ${p.kind}\` over the batch sees only one of the ${p.accumulate} parts that \`accumulate\` splits it into: the model would learn something else`,
    hint: () => "write `scope sequence`, or `accumulate 1` and a smaller batch",
  }),
  "uneven-expert": error<{ expertSize: number; dHead: number }>({
    message: (p) => p.dHead % 4 === 0 ? `an expert of ${plural(p.expertSize, "channel")} is not a whole number of heads of ${p.dHead}` : `d_head is ${p.dHead}, but heads of \`attention moa\` are a multiple of 4 channels wide`,
    hint: (p) => p.dHead % 4 === 0 ? `write a d_head that divides ${p.expertSize}` : `write \`d_head ${4 * Math.ceil(p.dHead / 4)}\``,
  }),
  "core-without-input": error<{ state: string }>({
    message: (p) => `the core begins with \`state ${p.state}\` and injects nothing: no token ever reaches its layers`,
    hint: () => "write `inject add` or another way to inject, or `state input`",
  }),
  "uneven-batch": error<{ batch: number; accumulate: number }>({
    message: (p) => `a batch of ${p.batch} cannot be split into ${p.accumulate} equal parts`,
    hint: (p) => `choose an accumulate that divides ${p.batch}`,
  }),
  "bad-repetition": error<{ text: string }>({
    message: (p) => `a part of the stack cannot be repeated ${p.text} times`,
    hint: () => "write a whole number from 1",
  }),
  "stack-too-deep": error<{ limit: number }>({
    message: (p) => `the stack has more than ${grouped(p.limit)} layers`,
    hint: () => "repeat fewer times",
  }),
};
