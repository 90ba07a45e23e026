/** Brings a model of an emitted folder onto a GPU or the processor. Every error about a file names it. */
import { checkThreads } from "./checks.ts";
import { checksum } from "./checksum.ts";
import { createCpuExecutor } from "./cpu/executor.ts";
import { createExecutor } from "./executor.ts";
import type { Inference } from "./inference.ts";
import type { CpuPlan, KernelPlan, ParamPlan } from "./plan.ts";
import { requireDevice } from "./require-device.ts";
import type { TextCode } from "./text.ts";
import type { TokenizerJson } from "./tokenizer/json.ts";
import { textCodeOf } from "./tokenizer/read.ts";
import type { Executor } from "./types.ts";

/** The bytes of a file of the folder, by its name. */
export type ReadFile = (name: string) => Promise<Uint8Array>;

export interface LoadOptions {
  /** On the processor: without a number, one for each core. A page that is not cross-origin isolated has one, whatever is asked for. */
  readonly threads?: number;
  /** For files that do not lie where the module expects them. */
  readonly read?: ReadFile;
  /** How text becomes tokens, instead of what the folder says: for tokenizers that it does not know, see runtime/tokenizer/library.js. */
  readonly text?: TextCode;
}

export interface LoadedPlan {
  readonly executor: Executor;
  readonly params: readonly ParamPlan[];
}

/** Reads only what is needed: plan.json for a device; cpu.json and cpu.wasm for the processor, if the device is null. */
export const loadExecutor = (device: GPUDevice | null, read: ReadFile, threads: number | undefined): Promise<LoadedPlan> =>
  device === null ? loadOnCpu(read, threads) : loadOnDevice(device, read);

/** An Error for a device that lacks what the plan needs. Once the device is lost, every call throws an Error that says so. */
async function loadOnDevice(device: GPUDevice, read: ReadFile): Promise<LoadedPlan> {
  const plan = await readPlan(read, "plan.json");
  requireDevice(device, plan);
  return { executor: await createExecutor(device, plan), params: plan.params };
}

async function loadOnCpu(read: ReadFile, threads: number | undefined): Promise<LoadedPlan> {
  if (threads !== undefined) checkThreads(threads);
  const [plan, wasm] = await Promise.all([readPlan(read, "cpu.json") as Promise<CpuPlan>, read("cpu.wasm")]);
  if (checksum(wasm) !== plan.wasm) throw damaged("cpu.wasm", "cpu.json belongs to another");
  return { executor: await createCpuExecutor(plan, wasm, { threads }), params: plan.params };
}

/** Loads the folder's trained weights; the model is given up if they are not there or not whole. */
export async function loadTrained(model: Pick<Inference<string>, "loadWeights" | "destroy">, read: ReadFile): Promise<void> {
  try {
    const file = await read(WEIGHTS);
    tryTo(WEIGHTS, () => model.loadWeights(file));
  } catch (error) {
    model.destroy();
    throw error;
  }
}

/** The folder's own tokenizer. */
export async function loadTextCode(read: ReadFile): Promise<TextCode> {
  const file = await read(TOKENIZER);
  return tryTo(TOKENIZER, () => {
    const code = textCodeOf(JSON.parse(new TextDecoder().decode(file)) as TokenizerJson);
    if (code === null) throw new Error("it is a tokenizer of another kind");
    return code;
  });
}

const TOKENIZER = "tokenizer.json";
const WEIGHTS = "weights.safetensors";

/** With fetch on the web, from the disk under Node. @param urls of the files by name, each in the form that bundlers know */
export const readFrom = (urls: Readonly<Record<string, () => URL>>): ReadFile => async (name) => {
  const url = urls[name]!();
  return url.protocol === "file:" ? readFromDisk(name, url) : fetched(name, url);
};

/** Asked for in this way and not imported, so that bundlers for pages find nothing that they cannot resolve. */
async function readFromDisk(name: string, url: URL): Promise<Uint8Array> {
  const { readFile } = process.getBuiltinModule("node:fs/promises");
  return readFile(url).catch((error: unknown) => missing(name, `${url.pathname} (${String((error as { code?: unknown }).code)})`));
}

async function fetched(name: string, url: URL): Promise<Uint8Array> {
  const response = await fetch(url).catch((error: unknown) => missing(name, `${url.href} (${String(error)})`));
  if (!response.ok) missing(name, `${url.href} (${response.status} ${response.statusText})`);
  return new Uint8Array(await response.arrayBuffer());
}

function missing(name: string, where: string): never {
  throw new Error(`the file ${name} of this model is missing: cannot read ${where}`);
}

export async function readPlan(read: ReadFile, name: string): Promise<KernelPlan> {
  const bytes = await read(name);
  const plan = tryTo(name, () => JSON.parse(new TextDecoder().decode(bytes)) as Partial<KernelPlan> | null);
  const isWhole = Array.isArray(plan?.kernels) && plan.kernels.every(({ wgsl }) => typeof wgsl === "string");
  if (!isWhole) throw damaged(name, "it holds no plan with its kernels");
  return plan as KernelPlan;
}

function tryTo<T>(name: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw damaged(name, (error as Error).message);
  }
}

const damaged = (name: string, why: string): Error =>
  new Error(`the file ${name} of this model is not whole, or something else has its name (${why}); copy it anew`);
