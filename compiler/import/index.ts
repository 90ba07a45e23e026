/** Models and weights of the official implementations. */
import type { NamingScheme } from "../parameters/naming.ts";
import { identifier } from "./identifier.ts";
import { CLEAN_RELATIONS, CLEAN_RULES, importClean, isClean } from "./clean.ts";
import { readOptions, shown, SIZE, word } from "./options.ts";
import type { Options, Relation, Rules } from "./options.ts";
import { printSpec } from "./print.ts";
import { TRAINING_RELATIONS, TRAINING_RULES } from "./training-rules.ts";
import { importTraining } from "./training.ts";

export { findFamilyWeights, importFamily, numbersOf } from "./families/index.ts";
export type { ImportedFamily, Part } from "./families/index.ts";
export { BOOKKEEPING, findOfficialWeights, findTorchWeights } from "./weights.ts";
export type { OfficialTensors } from "./weights.ts";

export type ImportResult = { readonly spec: string; readonly scheme: NamingScheme } | { readonly error: string };
type Named = Readonly<Record<string, unknown>>;

const FRAME_RULES: Rules = { context: SIZE, vocab: { ...SIZE, max: 16_777_216 }, batch: { ...SIZE, default: null } };
const RECIPE_RULES: Rules = {
  optimizer: { kind: "word", words: ["AdamW"] }, lr_schedule: word("constant", ["constant"]), steps: { ...SIZE, max: 1e9 },
  lr: { kind: "real", min: 0, max: 1_000 }, weight_decay: { kind: "real", min: 0, max: 1_000 },
  eps: { kind: "real", min: 0, above: true, max: 1 }, grad_clip: { kind: "real", min: 0, above: true, max: 1e9 },
};

/**
 * A spec with one model for an official configuration: `args` (constructor arguments of MoEUTLM, or options of the training code, under
 * their official names), `context`, `vocab` (or what `args` say of them), and optionally `case` (a name), `batch` and `training`
 * (optimizer settings).
 * @returns .moeut text and the code whose tensor names the weights have, or a message with a line for each option in the way
 */
export function importOfficial(config: unknown): ImportResult {
  if (!isNamed(config)) return { error: "the configuration is not an object of named values" };
  const args = config["args"];
  if (!isNamed(args)) return { error: "args is not an object of named values" };
  const clean = isClean(args);
  const model = clean ? readOptions(args, CLEAN_RULES, CLEAN_RELATIONS) : readOptions(args, TRAINING_RULES, TRAINING_RELATIONS);
  const frame = readOptions(frameOf(config, args), FRAME_RULES, [sameVocabulary(args)], "");
  const recipe = recipeLines(config["training"]);
  const problems = [...model.problems, ...frame.problems, ...recipe.problems];
  if (problems.length > 0) return { error: problems.join("\n  ") };
  const { vocab, context, batch } = frame.options;
  const train = batch === null ? recipe.lines : [...recipe.lines, `batch ${batch}`];
  const imported = clean ? importClean(model.options) : importTraining(model.options);
  const name = identifier(config["case"], "official");
  const spec = printSpec(imported, { name, vocabSize: vocab as number, seqLen: context as number, train });
  return { spec, scheme: clean ? "clean" : "training" };
}

const isNamed = (value: unknown): value is Named => typeof value === "object" && value !== null && !Array.isArray(value);

/** A whole run's configuration says these among its options. */
const frameOf = (config: Named, args: Named): Named => ({
  context: config["context"] ?? args["lm.unroll"],
  vocab: config["vocab"] ?? args["n_tokens"] ?? args["sentencepiece.n_pieces"],
  batch: config["batch"] ?? args["batch_size"],
});

const sameVocabulary = ({ n_tokens: other }: Named): Relation => ({
  of: ["vocab"],
  holds: ({ vocab }) => (other ?? vocab) === vocab,
  otherwise: ({ vocab }) => `vocab is ${vocab}, but n_tokens is ${shown(other)}`,
});

interface Recipe {
  readonly lines: readonly string[];
  readonly problems: readonly string[];
}

/** Of the train block: what the configuration says, the language's defaults for the rest. */
function recipeLines(training: unknown): Recipe {
  if (training === undefined || training === null) return { lines: [], problems: [] };
  if (!isNamed(training)) return { lines: [], problems: ["training is not an object of named values"] };
  const { options, problems } = readOptions(training, RECIPE_RULES, [], "training.", true);
  const betas = training["betas"];
  const sound = Array.isArray(betas) && betas.length === 2 && betas.every((beta) => typeof beta === "number" && beta >= 0 && beta < 1);
  if (!sound) return { lines: [], problems: [...problems, `training.betas is ${shown(betas)}; it must be two numbers from 0 to below 1`] };
  return { lines: problems.length > 0 ? [] : printRecipe(options, betas as readonly number[]), problems };
}

const printRecipe = ({ lr, eps, weight_decay: decay, grad_clip: clip, steps }: Options, betas: readonly number[]): readonly string[] => [
  `optimizer adamw { lr ${lr}  betas ${betas.join(", ")}  eps ${eps}  weight_decay ${decay} }`,
  "schedule constant",
  `grad_clip ${clip}  steps ${steps}`,
];
