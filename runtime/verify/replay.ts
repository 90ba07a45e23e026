/** Runs a golden folder on a loaded model and compares every quantity with what the official code computed. */
import { decode, prefill } from "../standalone/generate.ts";
import type { ParamPlan } from "../standalone/plan.ts";
import { readOfficial, writeOfficial } from "../standalone/parameters.ts";
import type { Recipe } from "../standalone/schedule.ts";
import { trainStep, writeBatch } from "../standalone/train-step.ts";
import type { Executor } from "../standalone/types.ts";
import { differentSets, largest, ofChange, ofLargest, relative } from "./deviation.ts";
import { rowOf, type Golden } from "./golden.ts";

/** One kind of number, at its worst place. */
export interface Quantity {
  readonly name: string;
  readonly worst: number;
  /** Exact comparisons have 0. */
  readonly bound: number;
  /** Which tensor, layer or step the worst is in. */
  readonly where: string;
}

/** As fractions of the tensor's greatest entry (logits, layers, gradients), of the number (losses, norm), of the change (weights). */
const BOUNDS = { tensors: 1e-4, gradients: 1e-4, losses: 1e-5, gradNorm: 1e-4, change: 5e-3, selections: 0 } as const;

/** Outputs of "train" that must be readable. */
export const keptOutputs = ({ applications, selections, halting }: Golden): readonly string[] => {
  const each = (prefix: string): readonly string[] => Array.from({ length: applications }, (_, i) => `${prefix}.${i}`);
  return ["logits", "ce_loss", "reg_loss", "embed_out", ...each("layers"), ...[...selections, ...halting].flatMap(each)];
};

interface Replay {
  readonly golden: Golden;
  readonly executor: Executor;
  /** With the official names of this folder's weights. */
  readonly params: readonly ParamPlan[];
  readonly recipe: Recipe;
  readonly seqLen: number;
}

export async function replay(options: Replay): Promise<readonly Quantity[]> {
  loadWeights(options);
  const pass = await onePass(options);
  const decoded = await decoding(options);
  loadWeights(options);
  return [...pass, ...decoded, ...(await training(options))];
}

function loadWeights({ golden, executor, params }: Replay): void {
  writeOfficial(executor, params, "param", (name) => golden.weights.readFloats(name));
  for (const { name, shape } of params) for (const state of ["grad", "adam_m", "adam_v"]) executor.write(
    `${state}/${name}`, new Float32Array(shape.reduce((a, b) => a * b, 1)),
  );
  executor.write("metrics", new Float32Array(executor.shape("metrics")[0]!));
}

type Deviation = readonly [where: string, size: number];

/** The worst of at least one deviation. */
function quantity(name: string, bound: number, all: readonly Deviation[]): Quantity {
  const [where, worst] = all.reduce((most, next) => (next[1] > most[1] ? next : most));
  return { name, worst, bound, where };
}

async function onePass({ golden, executor, params }: Replay): Promise<readonly Quantity[]> {
  const { io, applications } = golden;
  writeBatch(executor, "train", { tokens: io.readIndices("tokens"), targets: io.readIndices("targets") });
  executor.write("train/loss_scale", Float32Array.of(1));
  await executor.run(["train"]);
  const tensor = async (output: string, want: Float32Array, scale = 0): Promise<Deviation> =>
    [output, ofLargest(await executor.read(`train/${output}`), want, scale)];
  const perApplication = async (name: string): Promise<readonly Deviation[]> => {
    const [want, result]: [Float32Array, Deviation[]] = [io.readFloats(name), []];
    for (let i = 0; i < applications; i++) result.push(await tensor(`${name}.${i}`, rowOf(want, applications, i), largest(want)));
    return result;
  };
  const ceLoss = io.readFloats("ce_loss")[0]!;
  const number = async (output: string): Promise<Quantity> => {
    const [got, want] = [(await executor.read(`train/${output}`))[0]!, io.readFloats(output)[0]!];
    return quantity(output.replace("_", " "), BOUNDS.losses, [[`${got} for ${want}`, relative(got, want, ceLoss)]]);
  };
  const layers = [await tensor("embed_out", io.readFloats("embed_out")), ...(await perApplication("layers"))];
  const halted: Deviation[] = [];
  for (const name of golden.halting) halted.push(...(await perApplication(name)));
  const selected = await selectionDeviations(golden, executor, (name) => io.readIntegers(name), "");
  const losses = [await number("ce_loss"), await number("reg_loss")];
  return [
    quantity("logits", BOUNDS.tensors, [await tensor("logits", io.readFloats("logits"))]),
    quantity("layer outputs", BOUNDS.tensors, layers),
    ...(halted.length === 0 ? [] : [quantity("halting", BOUNDS.tensors, halted)]),
    ...losses,
    ...(selected.length === 0 ? [] : [quantity("expert selections", BOUNDS.selections, selected)]),
    quantity("gradients", BOUNDS.gradients, await gradients(golden, executor, params)),
  ];
}

/** Of every parameter, against its part of the official tensor. */
async function gradients({ io }: Golden, executor: Executor, params: readonly ParamPlan[]): Promise<readonly Deviation[]> {
  const wanted = params.map(({ name, official: { tensor, start }, shape }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, io.readFloats(`grad.${tensor}`).subarray(start, start + size)] as const;
  });
  const scale = Math.max(...wanted.map(([, want]) => largest(want)));
  const result: Deviation[] = [];
  for (const [name, want] of wanted) result.push([name, ofLargest(await executor.read(`grad/${name}`), want, scale)]);
  return result;
}

/** @param read the recorded choices of one router, [L, B, T, …, k] */
async function selectionDeviations(
  { selections, applications, io }: Golden, executor: Executor, read: (name: string) => Int32Array, note: string,
): Promise<readonly Deviation[]> {
  const result: Deviation[] = [];
  for (const name of selections) {
    const k = io.tensors.get(name)!.shape.at(-1)!;
    for (let i = 0; i < applications; i++) {
      const got = await executor.read(`train/${name}.${i}`);
      result.push([`${name}.${i}${note}`, differentSets(got, rowOf(read(name), applications, i), k)]);
    }
  }
  return result;
}

/** Token by token, and in chunks followed by single tokens: the logits of the full pass, at every position. */
async function decoding({ golden, executor, seqLen }: Replay): Promise<readonly Quantity[]> {
  const { io, batch, context } = golden;
  const [tokens, logits] = [io.readIndices("tokens"), io.readFloats("logits")];
  const [single, chunked]: [Deviation[], Deviation[]] = [[], []];
  for (let row = 0; row < batch; row++) {
    const text = Array.from(rowOf(tokens, batch, row));
    const want = (position: number): Float32Array => rowOf(rowOf(logits, batch, row), context, position);
    const note = (position: number): string => `sequence ${row}, position ${position}`;
    for (let t = 0; t < context; t++) single.push([note(t), ofLargest(await decode(executor, [text[t]!], t), want(t))]);
    for (const length of [1, Math.ceil(context / 2), context]) chunked.push([
      note(length - 1), ofLargest(await prefill(executor, [text.slice(0, length)], seqLen), want(length - 1)),
    ]);
    const half = Math.floor(context / 2);
    await prefill(executor, [text.slice(0, half)], seqLen);
    chunked.push([note(half), ofLargest(await decode(executor, [text[half]!], half), want(half))]);
  }
  return [quantity("logits with cache", BOUNDS.tensors, single), quantity("logits after prefill", BOUNDS.tensors, chunked)];
}

async function training({ golden, executor, params, recipe }: Replay): Promise<readonly Quantity[]> {
  const { train, trainSteps } = golden;
  const recorded = (name: string): Float32Array => train.readFloats(name);
  const [total, ce, reg, norm, selected] = [[], [], [], [], []] as [Deviation[], Deviation[], Deviation[], Deviation[], Deviation[]];
  for (let step = 0; step < trainSteps; step++) {
    const batch = {
      tokens: rowOf(train.readIndices("tokens"), trainSteps, step), targets: rowOf(train.readIndices("targets"), trainSteps, step),
    };
    const metrics = await trainStep(executor, recipe, step, [batch], 0);
    const note = `step ${step + 1}`;
    const ceLoss = recorded("ce_loss")[step]!;
    // Its parts may cancel, so it is as exact as the greater of itself and the cross-entropy.
    total.push([note, ofLargest([metrics.ceLoss + metrics.regLoss, metrics.ceLoss], [recorded("loss")[step]!, ceLoss])]);
    ce.push([note, relative(metrics.ceLoss, ceLoss)]);
    reg.push([note, relative(metrics.regLoss, recorded("reg_loss")[step]!, ceLoss)]);
    norm.push([note, relative(metrics.gradNorm, recorded("grad_norm")[step]!)]);
    const selections = (name: string) => rowOf(train.readIntegers(name), trainSteps, step);
    selected.push(...(await selectionDeviations(golden, executor, selections, ` in step ${step + 1}`)));
  }
  const final = await readOfficial(executor, params, "param");
  const change = final.map(({ name, data }): Deviation =>
    [name, ofChange(data, recorded(`final.${name}`), golden.weights.readFloats(name))]);
  const about = `in ${trainSteps} steps`;
  return [
    quantity(`loss ${about}`, BOUNDS.losses, total),
    quantity(`ce loss ${about}`, BOUNDS.losses, ce), quantity(`reg loss ${about}`, BOUNDS.losses, reg),
    quantity(`gradient norm ${about}`, BOUNDS.gradNorm, norm),
    ...(selected.length === 0 ? [] : [quantity(`selections ${about}`, BOUNDS.selections, selected)]),
    quantity(`weight change ${about}`, BOUNDS.change, change),
  ];
}
