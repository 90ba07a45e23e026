/** KernelPlan → a folder that runs without moeut. Pure: the same plan gives the same bytes. */
import { printSpec } from "../format/index.ts";
import type { Emission } from "./emission.ts";
import { manifest, planJson } from "./json.ts";
import { kernelText } from "./kernel.ts";
import { moduleText } from "./module.ts";
import { exampleText, packageJson, readme, TSCONFIG } from "./surroundings.ts";

export interface EmittedFile {
  readonly path: string;
  readonly text: string;
}

export function emit(e: Emission): readonly EmittedFile[] {
  const banner = `${e.model.name}, compiled by moeut ${e.version} (${e.plan.profile.name} kernels)`;
  const files = [
    { path: "README.md", text: readme(e, banner) },
    { path: "example.ts", text: exampleText(e) },
    { path: "model.ts", text: moduleText(e, banner) },
    { path: "package.json", text: packageJson(e.model.name) },
    { path: "plan.json", text: planJson(e.plan) },
    { path: "spec.moeut", text: printSpec(e.model) },
    { path: "tsconfig.json", text: TSCONFIG },
    ...e.plan.kernels.map((k, i) => ({ path: `kernels/${k.name}.wgsl`, text: kernelText(e.plan, i, banner) })),
    ...Object.entries(e.runtime).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => ({ path: `runtime/${name}`, text })),
  ];
  return [...files, { path: "manifest.json", text: manifest(e, files.map((f) => f.path)) }];
}
