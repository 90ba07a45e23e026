/** Models and weights of the official implementations. */
import type { NamingScheme } from "../3-graph/index.ts";
import { importClean, isClean } from "./clean.ts";
import { ImportProblem, refuse } from "./options.ts";
import { printSpec } from "./print.ts";
import { importTraining } from "./training.ts";

export { BOOKKEEPING, findOfficialWeights } from "./weights.ts";
export type { OfficialTensors } from "./weights.ts";

export type ImportResult = { readonly spec: string; readonly scheme: NamingScheme } | { readonly error: string };

/**
 * A spec with one model for an official configuration: `args` (constructor arguments of MoEUTLM, or options of the training code, under
 * their official names), `context`, `vocab` (or `args.n_tokens`), and optionally `case` (a name), `batch` and `training`
 * (optimizer settings).
 * @returns .moeut text and the code whose tensor names the weights have, or a message that names the option in the way
 */
export function importOfficial(config: unknown): ImportResult {
  try {
    const root = record(config, "the configuration");
    const args = record(root["args"], "args");
    const clean = isClean(args);
    const model = clean ? importClean(args) : importTraining(args);
    const frame = {
      name: identifier(root["case"]),
      vocabSize: size(root["vocab"] ?? args["n_tokens"], "vocab"),
      seqLen: size(root["context"], "context"),
      train: trainLines(root),
    };
    return { spec: printSpec(model, frame), scheme: clean ? "clean" : "training" };
  } catch (error) {
    if (error instanceof ImportProblem) return { error: error.message };
    throw error;
  }
}

const record = (value: unknown, what: string): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : refuse(`${what} is not an object of named values`);

const size = (value: unknown, what: string): number =>
  typeof value === "number" && Number.isInteger(value) && value > 0 ? value : refuse(`${what} is ${JSON.stringify(value) ?? "missing"}; it must be a positive whole number`);

/** "a1-moeut-g2" → "a1_moeut_g2" */
function identifier(name: unknown): string {
  const text = typeof name === "string" ? name.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[_0-9]+|_+$/g, "") : "";
  return text === "" ? "official" : text;
}

/** The train block: what the configuration says, the language's defaults for the rest. */
function trainLines(root: Readonly<Record<string, unknown>>): readonly string[] {
  const batch = root["batch"] === undefined ? [] : [`batch ${size(root["batch"], "batch")}`];
  if (root["training"] === undefined) return batch;
  const training = record(root["training"], "training");
  const number = (name: string): number => (typeof training[name] === "number" ? (training[name] as number) : refuse(`training.${name} is not a number`));
  if (training["optimizer"] !== "AdamW") refuse(`training.optimizer is ${JSON.stringify(training["optimizer"])}; only AdamW is supported`);
  if ((training["lr_schedule"] ?? "constant") !== "constant") refuse(`training.lr_schedule is ${JSON.stringify(training["lr_schedule"])}; only constant is supported`);
  const betas = Array.isArray(training["betas"]) ? (training["betas"] as unknown[]).join(", ") : refuse("training.betas is not a list of two numbers");
  return [
    `optimizer adamw { lr ${number("lr")}  betas ${betas}  eps ${number("eps")}  weight_decay ${number("weight_decay")} }`,
    "schedule constant",
    [`grad_clip ${number("grad_clip")}`, ...batch, `steps ${number("steps")}`].join("  "),
  ];
}
