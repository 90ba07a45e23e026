/** Reads the files of an emitted folder. Every error names the file. */
import type { KernelPlan } from "./plan.ts";

/** The bytes of a file of the folder, by its name. */
export type ReadFile = (name: string) => Promise<Uint8Array>;

/** From beside the module at `base`: with fetch on the web, from the disk under Node. An Error for a file that is not there. */
export const readBeside = (base: string): ReadFile => async (name) => {
  const url = new URL(name, base);
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

export async function loadPlan(read: ReadFile): Promise<KernelPlan> {
  const plan = parsed("plan.json", await read("plan.json")) as Partial<KernelPlan> | null;
  const isWhole = Array.isArray(plan?.kernels) && plan.kernels.every(({ wgsl }) => typeof wgsl === "string");
  return isWhole ? (plan as KernelPlan) : damaged("plan.json", "it holds no plan with its kernels");
}

function parsed(name: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    return damaged(name, (error as Error).message);
  }
}

function damaged(name: string, why: string): never {
  throw new Error(`the file ${name} of this model is not whole, or something else has its name (${why}); copy it anew`);
}
