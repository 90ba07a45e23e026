/** Reads a plan that was written as plan.json and one file per kernel. */
import type { KernelPlan } from "./plan.ts";

/** Reads a text file of the emitted folder by its path within it. */
export type ReadText = (path: string) => Promise<string>;

/** From beside the module at `base`: with fetch on the web, from the disk under Node. */
export const readBeside = (base: string): ReadText => async (path) => {
  const url = new URL(path, base);
  if (url.protocol !== "file:") return fetched(url);
  const { readFile } = await import("node:fs/promises");
  return readFile(url, "utf8");
};

async function fetched(url: URL): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot load ${url.href}: ${response.status} ${response.statusText}`);
  return response.text();
}

export async function loadPlan(read: ReadText): Promise<KernelPlan> {
  const plan = JSON.parse(await read("plan.json")) as KernelPlan;
  const kernels = await Promise.all(plan.kernels.map(async (kernel) => ({ ...kernel, wgsl: await read(`kernels/${kernel.name}.wgsl`) })));
  return { ...plan, kernels };
}
