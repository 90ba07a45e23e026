/** Which tensors a golden folder holds, by what its model computes. */

export interface GoldenSizes {
  readonly vocab: number;
  readonly batch: number;
  /** Positions. */
  readonly context: number;
  /** Applications of layers. */
  readonly applications: number;
  readonly trainSteps: number;
}

export type ExpectedTensors = ReadonlyMap<string, { readonly dtype: "F32" | "I32"; readonly shape: readonly number[] }>;

export interface ExpectedFiles extends GoldenSizes {
  readonly weights: ExpectedTensors;
  readonly io: ExpectedTensors;
  readonly train: ExpectedTensors;
  /** Names of tensors that may be there and mean nothing. */
  readonly ignored: RegExp;
}

type Shapes = Readonly<Record<string, readonly number[]>>;

/**
 * Every tensor by name, with its exact shape and dtype.
 * @param outputs of the entry "train" for the whole batch: "logits", "layers.0", "sel.ffn.0", …
 * @param weights official tensors
 */
export function expectedFiles(outputs: Shapes, weights: Shapes, sizes: Omit<GoldenSizes, "applications">, ignored: RegExp): ExpectedFiles {
  const { batch, context, trainSteps } = sizes;
  const perApplication = applicationShapes(outputs, batch, context);
  const applications = perApplication["layers"]![0]!;
  const selections = Object.entries(perApplication).filter(([name]) => name.startsWith("sel."));
  const selectionsOfSteps = Object.fromEntries(selections.map(([name, shape]) => [name, [trainSteps, ...shape]]));
  const numbers = Object.fromEntries(["loss", "ce_loss", "reg_loss", "grad_norm"].map((name) => [name, [trainSteps]]));
  const whole = Object.fromEntries(["logits", "ce_loss", "reg_loss", "embed_out"].map((name) => [name, outputs[name]!]));
  return {
    ...sizes, applications, ignored,
    weights: tensors(weights),
    io: tensors({ ...texts([batch, context]), ...whole, ...perApplication, ...prefixed("grad.", weights) }),
    train: tensors({ ...texts([trainSteps, batch, context]), ...numbers, ...selectionsOfSteps, ...prefixed("final.", weights) }),
  };
}

/** What is recorded of every application, as one tensor each: [L, B, T, …]. Single numbers of a position have no axis of their own. */
function applicationShapes(outputs: Shapes, batch: number, context: number): Shapes {
  const result: Record<string, readonly number[]> = {};
  for (const [output, shape] of Object.entries(outputs)) {
    const name = /^(layers|sel\.\w+|act\.\w+)\.\d+$/.exec(output)?.[1];
    if (name === undefined) continue;
    const isNumber = name.startsWith("act.") && shape.at(-1) === 1 && name !== "act.block_out";
    result[name] = [(result[name]?.[0] ?? 0) + 1, batch, context, ...(isNumber ? [] : shape.slice(2))];
  }
  return result;
}

const texts = (shape: readonly number[]): Shapes => ({ tokens: shape, targets: shape });
const prefixed = (prefix: string, shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));

const tensors = (shapes: Shapes): ExpectedTensors =>
  new Map(Object.entries(shapes).map(([name, shape]) => [name, { dtype: /^(tokens|targets|sel\..*)$/.test(name) ? "I32" : "F32", shape }]));
