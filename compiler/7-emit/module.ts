/** model.ts, the typed face of an emitted folder, built from ts-morph structures so that its printer owns the layout. */
import { IndentationText, Project, StructureKind, VariableDeclarationKind, type StatementStructures } from "ts-morph";
import { needsSubgroups } from "../../runtime/standalone/require-device.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import type { KernelPlan } from "../ir/plan.ts";
import type { Emission } from "./emission.ts";

export function moduleText({ model, plan }: Emission, banner: string): string {
  const project = new Project({ useInMemoryFileSystem: true, manipulationSettings: { indentationText: IndentationText.TwoSpaces } });
  const file = project.createSourceFile("model.ts", {
    statements: [
      `/** ${banner}. */`,
      ...IMPORTS,
      constant("SIZES", "What this model was compiled for. A batch holds this many sequences of seqLen tokens.", sizes(model, plan.tensors["train/tokens"]!.shape[0]!), " as const"),
      constant("RECIPE", "The training recipe of the spec; trainStep takes another if it is given one.", recipe(model), "", "Recipe"),
      constant("DEVICE", "What a device must be requested with: adapter.requestDevice(DEVICE).", object(Object.entries(deviceNeeds(plan))), "", "GPUDeviceDescriptor"),
      constant("PARAMETERS", "Shapes of the parameters by name, row-major.", shapes(plan.params), " as const"),
      { kind: StructureKind.TypeAlias, name: "ParameterName", isExported: true, leadingTrivia: "\n", type: "keyof typeof PARAMETERS" },
      { kind: StructureKind.TypeAlias, name: typeName(model), isExported: true, type: "Model<ParameterName>" },
      loadFunction(model),
    ],
  });
  file.formatText({ indentSize: 2 });
  return file.getFullText();
}

const IMPORTS: readonly StatementStructures[] = [
  { kind: StructureKind.ImportDeclaration, moduleSpecifier: "./runtime/load.ts", namedImports: ["loadPlan", "readBeside", { name: "ReadFile", isTypeOnly: true }] },
  { kind: StructureKind.ImportDeclaration, moduleSpecifier: "./runtime/model.ts", namedImports: ["createModel", { name: "Model", isTypeOnly: true }] },
  { kind: StructureKind.ImportDeclaration, moduleSpecifier: "./runtime/schedule.ts", isTypeOnly: true, namedImports: ["Recipe"] },
];

function constant(name: string, doc: string, initializer: string, suffix: string, type?: string): StatementStructures {
  return {
    kind: StructureKind.VariableStatement, declarationKind: VariableDeclarationKind.Const, isExported: true, docs: [doc], leadingTrivia: "\n",
    declarations: [{ name, initializer: `${initializer}${suffix}`, ...(type !== undefined && { type }) }],
  };
}

function loadFunction(model: ModelSpec): StatementStructures {
  return {
    kind: StructureKind.Function, name: "load", isAsync: true, isExported: true,
    docs: [`Creates all buffers and pipelines on a device that was requested with DEVICE. Weights are zero until initialize, write or
loadWeights is called.
@param read gives the bytes of a file of this folder`],
    parameters: [{ name: "device", type: "GPUDevice" }, { name: "read", type: "ReadFile", initializer: "readBeside(import.meta.url)" }],
    returnType: `Promise<${typeName(model)}>`,
    statements: ["return createModel<ParameterName>(device, await loadPlan(read), { ...SIZES, recipe: RECIPE });"],
  };
}

/** tiny_moe → TinyMoeModel; the ending keeps it apart from every other name, whatever the model is called. */
function typeName({ name }: ModelSpec): string {
  const words = name.split(/[^A-Za-z0-9]+/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return `${words === "" ? "Unnamed" : words}Model`;
}

/** The features and limits without which the plan does not run. */
function deviceNeeds({ profile, buffers, kernels }: KernelPlan): { readonly requiredFeatures: readonly string[]; readonly requiredLimits: Readonly<Record<string, number>> } {
  const largest = Math.max(...buffers.map((b) => Math.ceil(b.bytes / 16) * 16));
  return {
    requiredFeatures: needsSubgroups(profile) ? ["subgroups"] : [],
    requiredLimits: { maxBufferSize: largest, maxStorageBufferBindingSize: largest, maxStorageBuffersPerShaderStage: Math.max(...kernels.map((k) => k.access.length)) },
  };
}

const object = (entries: readonly (readonly [string, unknown])[]): string =>
  `{\n${entries.map(([key, value]) => `  ${/^[A-Za-z_]\w*$/.test(key) ? key : JSON.stringify(key)}: ${inline(value)},`).join("\n")}\n}`;

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([key, item]) => `${key}: ${inline(item)}`).join(", ")} }`;
}

const sizes = ({ seqLen, vocabSize, dModel }: ModelSpec, batch: number): string => object(Object.entries({ batch, seqLen, vocabSize, dModel }));

const shapes = (params: Emission["plan"]["params"]): string => object(params.map(({ name, shape }) => [name, shape]));

function recipe({ train: { optimizer: { kind: _, ...optimizer }, schedule, gradClip, batch, accumulate, steps } }: ModelSpec): string {
  return object(Object.entries({ optimizer, schedule, gradClip, batch, accumulate, steps }));
}
