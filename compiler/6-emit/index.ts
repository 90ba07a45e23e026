/** KernelPlan → a folder that runs without moeut. Pure: the same plan gives the same bytes. */
import { printSpec, specHash } from "../format/index.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import type { KernelPlan } from "../ir/plan.ts";
import { manifest, planJson } from "./json.ts";
import { moduleText } from "./module.ts";
import { exampleText, packageJson, readme, TSCONFIG } from "./surroundings.ts";

export interface EmittedFile {
  readonly path: string;
  readonly text: string;
}

export interface Emission {
  readonly model: ModelSpec;
  /** With the entries train, update, evaluate, prefill and decode. */
  readonly plan: KernelPlan;
  /** Of moeut. */
  readonly version: string;
  /** Text of every file of runtime/standalone, by name. */
  readonly runtime: Readonly<Record<string, string>>;
}

export function emit(e: Emission): readonly EmittedFile[] {
  const banner = `${e.model.name} (spec ${specHash(e.model)}), compiled by moeut ${e.version} for profile ${e.plan.profile.name}`;
  return [
    { path: "README.md", text: readme(e, banner) },
    { path: "example.ts", text: exampleText(e.model) },
    { path: "manifest.json", text: manifest(e) },
    { path: "model.ts", text: moduleText(e, banner) },
    { path: "package.json", text: packageJson(e.model.name) },
    { path: "plan.json", text: planJson(e.plan) },
    { path: "spec.moeut", text: printSpec(e.model) },
    { path: "tsconfig.json", text: TSCONFIG },
    ...e.plan.kernels.map((k) => ({ path: `kernels/${k.name}.wgsl`, text: `// ${banner}\n${k.wgsl}` })),
    ...Object.entries(e.runtime).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => ({ path: `runtime/${name}`, text })),
  ];
}
