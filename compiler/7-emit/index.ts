/** KernelPlan → a folder that runs without moeut. Pure: the same plan gives the same bytes. */
import { checksum } from "../../runtime/standalone/checksum.ts";
import { printSpec } from "../format/index.ts";
import type { CpuPlan, KernelPlan } from "../ir/plan.ts";
import { assemble } from "../wasm/index.ts";
import { generates, type Emission, type Files } from "./emission.ts";
import { exampleText } from "./example.ts";
import { transpiled } from "./javascript.ts";
import { manifest, planJson } from "./json.ts";
import { kernelText } from "./kernel.ts";
import { moduleText } from "./module.ts";
import { pageText } from "./page.ts";
import { packageJson, readme, TSCONFIG } from "./surroundings.ts";

export type { Tokens } from "./emission.ts";

export interface EmittedFile {
  /** In the folder, with "/". */
  readonly path: string;
  readonly content: string | Uint8Array;
}

export function emit(e: Emission): readonly EmittedFile[] {
  const banner = `${e.model.name}, compiled by moeut ${e.version} (${e.plan.profile.name} kernels)`;
  const wasm = assemble(e.cpu.kernels);
  const texts = { ...surroundings(e, banner), "cpu.json": planJson(cpuPlan(e.cpu, wasm)), ...sources(e, banner), ...kernels(e, banner) };
  const binaries = { "cpu.wasm": wasm, ...(e.weights !== null && { "weights.safetensors": e.weights }) };
  const files = Object.entries<string | Uint8Array>({ ...texts, ...binaries }).map(([path, content]) => ({ path, content }));
  return [...files, { path: "manifest.json", content: manifest(e, files.map((f) => f.path)) }];
}

function surroundings(e: Emission, banner: string): Files {
  return {
    "README.md": readme(e, banner), "package.json": packageJson(e.model.name), "tsconfig.json": TSCONFIG, "spec.moeut": printSpec(e.model),
    "plan.json": planJson(e.plan), ...(e.text !== null && e.text !== "bytes" && { "tokenizer.json": e.text.tokenizer }),
    ...(generates(e.plan) && { "index.html": pageText(e) }),
  };
}

const cpuPlan = (plan: KernelPlan, wasm: Uint8Array): CpuPlan =>
  ({ ...plan, kernels: plan.kernels.map((kernel) => ({ ...kernel, wgsl: "" })), wasm: checksum(wasm) });

/** TypeScript in src/, and beside the folder's data what is made of it. The module is printed twice, as near to the data as it lies. */
function sources(e: Emission, banner: string): Files {
  const module = transpiled("model.ts", moduleText(e, banner, "./"));
  const example = exampleText(e);
  return {
    "model.js": module.js, "model.d.ts": module.types, "example.js": transpiled("example.ts", example).js,
    "src/model.ts": moduleText(e, banner, "../"), "src/example.ts": example, ...e.runtime,
  };
}

/** The folder's files that are the same for every model. @param texts of runtime/standalone by path */
export function runtimeFiles(texts: Files): Files {
  const sorted = Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => [`runtime/${name}`, text] as const);
  const made = sorted.flatMap(([path, text]) => {
    const [{ js, types }, stem] = [transpiled(path, text), path.replace(/\.ts$/, "")];
    return [[`${stem}.js`, js], [`${stem}.d.ts`, types]] as const;
  });
  return Object.fromEntries([...made, ...sorted.map(([path, text]) => [`src/${path}`, text] as const)]);
}

const kernels = ({ plan }: Emission, banner: string): Files =>
  Object.fromEntries(plan.kernels.map((k, i) => [`kernels/${k.name}.wgsl`, kernelText(plan, i, banner)]));
