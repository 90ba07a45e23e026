/** model.ts, the typed face of an emitted folder, built from ts-morph structures so that its printer owns the layout. */
import {
  IndentationText, Project, StructureKind, VariableDeclarationKind, type StatementStructures, type VariableStatementStructure,
} from "ts-morph";
import { needsSubgroups } from "../../runtime/standalone/require-device.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import type { KernelPlan } from "../ir/plan.ts";
import { hasTokenizer, trains, type Emission, type Tokens } from "./emission.ts";

/** @param beside path from the module to the folder's files: "./" or "../" */
export function moduleText(e: Emission, banner: string, beside: string): string {
  const { model, plan } = e;
  const project = new Project({ useInMemoryFileSystem: true, manipulationSettings: { indentationText: IndentationText.TwoSpaces } });
  const device = object(Object.entries(deviceNeeds(plan)));
  const modelType = trains(plan) ? "Model<ParameterName>" : "Inference<ParameterName>";
  const statements: StatementStructures[] = [
    ...importsOf(e),
    constant("SIZES", "What this model was compiled for. A batch holds this many sequences of seqLen tokens.", sizes(e), " as const"),
    ...(trains(plan) ? [constant("RECIPE", RECIPE_DOC, recipe(model), "", "Recipe")] : []),
    constant("DEVICE", "What a device must be requested with: adapter.requestDevice(DEVICE).", device, "", "GPUDeviceDescriptor"),
    constant("PARAMETERS", "Shapes of the parameters by name, row-major.", shapes(plan.params), " as const"),
    { kind: StructureKind.TypeAlias, name: "ParameterName", isExported: true, leadingTrivia: "\n", type: "keyof typeof PARAMETERS" },
    { kind: StructureKind.TypeAlias, name: typeName(model), isExported: true, type: modelType },
    { ...constant("FILES", "What load reads, in the form of address that bundlers know.", filesText(e, beside), ""), isExported: false },
    REQUEST_DEVICE,
    loadFunction(e),
  ];
  const file = project.createSourceFile("model.ts", { statements: [`/** ${banner}. */`, ...statements] });
  file.formatText({ indentSize: 2 });
  return file.getFullText();
}

const RECIPE_DOC = "The training recipe of the spec; trainStep takes another if it is given one.";

function importsOf({ plan, masked = false, weights, text }: Emission): readonly StatementStructures[] {
  const from = (moduleSpecifier: string, ...namedImports: readonly Imported[]): StatementStructures =>
    ({ kind: StructureKind.ImportDeclaration, moduleSpecifier, namedImports: [...namedImports] });
  const more = [...(hasTokenizer(text) ? ["loadTextCode"] : []), ...(weights === null ? [] : ["loadTrained"])];
  const loaders = ["loadExecutor", ...more, "readFrom"];
  const load = from("./runtime/load.ts", ...loaders.map(value), type("LoadOptions"));
  const findDevice = from("./runtime/find-device.ts", value("findDevice"));
  const bytes = text !== "bytes" ? [] : [from("./runtime/text.ts", value("BYTES"))];
  if (!trains(plan)) return [findDevice, from("./runtime/inference.ts", value("inferenceOver"), type("Inference")), load, ...bytes];
  const model = from("./runtime/model.ts", value("modelOver"), type("Model"));
  return [findDevice, load, model, from("./runtime/schedule.ts", type("Recipe")), ...bytes, ...(masked ? [IGNORED_TARGET] : [])];
}

const IGNORED_TARGET: StatementStructures =
  { kind: StructureKind.ExportDeclaration, moduleSpecifier: "./runtime/train-step.ts", namedExports: ["IGNORED"] };

type Imported = { readonly name: string; readonly isTypeOnly: boolean };
const value = (name: string): Imported => ({ name, isTypeOnly: false });
const type = (name: string): Imported => ({ name, isTypeOnly: true });

function filesText({ weights, text }: Emission, beside: string): string {
  const more = [...(hasTokenizer(text) ? ["tokenizer.json"] : []), ...(weights === null ? [] : ["weights.safetensors"])];
  const names = ["plan.json", "cpu.json", "cpu.wasm", ...more];
  const addressOf = (name: string): string => `new URL(${JSON.stringify(beside + name)}, import.meta.url)`;
  return `{\n${names.map((name) => `  ${JSON.stringify(name)}: (): URL => ${addressOf(name)},`).join("\n")}\n}`;
}

function constant(name: string, doc: string, initializer: string, suffix: string, type?: string): VariableStatementStructure {
  return {
    kind: StructureKind.VariableStatement, declarationKind: VariableDeclarationKind.Const, isExported: true, docs: [doc],
    leadingTrivia: "\n",
    declarations: [{ name, initializer: `${initializer}${suffix}`, ...(type !== undefined && { type }) }],
  };
}

const REQUEST_DEVICE: StatementStructures = {
  kind: StructureKind.Function, name: "requestDevice", isExported: true,
  docs: [`A GPU for this model, or null: then load takes the processor, which is faster than an adapter that only imitates a GPU.
@param gpu navigator.gpu in a page; under Node, what create of the package webgpu gives`],
  parameters: [{ name: "gpu", type: "GPU | undefined" }],
  returnType: "Promise<GPUDevice | null>",
  statements: ["return findDevice(gpu, DEVICE);"],
};

function loadFunction({ model, plan, weights, text }: Emission): StatementStructures {
  const facts = `{ ...SIZES, ${trains(plan) ? "recipe: RECIPE, " : ""}text: text ?? ${ownTextCode(text)} }`;
  const setters = trains(plan) ? "initialize, write or loadWeights" : "write or loadWeights";
  const about = weights === null ? `Weights are zero until\n${setters} is called.` : "Its weights are the trained ones.";
  const make = `${trains(plan) ? "modelOver" : "inferenceOver"}<ParameterName>(executor, params, facts)`;
  return {
    kind: StructureKind.Function, name: "load", isAsync: true, isExported: true,
    docs: [`Loads the model on a device that was requested with DEVICE, or on the processor if there is none. ${about}`],
    parameters: [
      { name: "device", type: "GPUDevice | null", initializer: "null" },
      { name: "{ threads, read = readFrom(FILES), text }", type: "LoadOptions", initializer: "{}" },
    ],
    returnType: `Promise<${typeName(model)}>`,
    statements: [
      `const facts = ${facts};`,
      "const { executor, params } = await loadExecutor(device, read, threads);",
      ...(weights === null ? [`return ${make};`] : [`const model = ${make};`, "await loadTrained(model, read);", "return model;"]),
    ],
  };
}

const ownTextCode = (text: Tokens): string => (text === "bytes" ? "BYTES" : hasTokenizer(text) ? "await loadTextCode(read)" : "null");

/** tiny_moe → TinyMoeModel; the ending keeps it apart from every other name, whatever the model is called. */
function typeName({ name }: ModelSpec): string {
  const words = name.split(/[^A-Za-z0-9]+/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return `${words === "" ? "Unnamed" : words}Model`;
}

/** The features and limits without which the plan does not run. */
function deviceNeeds(
  { profile, buffers, kernels }: KernelPlan,
): { readonly requiredFeatures: readonly string[]; readonly requiredLimits: Readonly<Record<string, number>> } {
  const largest = Math.max(...buffers.map((b) => Math.ceil(b.bytes / 16) * 16));
  const bindings = Math.max(...kernels.map((k) => k.access.length));
  return {
    requiredFeatures: needsSubgroups(profile) ? ["subgroups"] : [],
    requiredLimits: { maxBufferSize: largest, maxStorageBufferBindingSize: largest, maxStorageBuffersPerShaderStage: bindings },
  };
}

const object = (entries: readonly (readonly [string, unknown])[]): string =>
  `{\n${entries.map(([key, value]) => `  ${/^[A-Za-z_]\w*$/.test(key) ? key : JSON.stringify(key)}: ${inline(value)},`).join("\n")}\n}`;

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([key, item]) => `${key}: ${inline(item)}`).join(", ")} }`;
}

function sizes({ model: { seqLen, vocabSize, dModel }, plan, masked = false }: Emission): string {
  const batch = plan.tensors["evaluate/tokens"]!.shape[0]!;
  return object(Object.entries({ batch, seqLen, vocabSize, dModel, ...(masked && { masked }) }));
}

const shapes = (params: Emission["plan"]["params"]): string => object(params.map(({ name, shape }) => [name, shape]));

function recipe({ train: { optimizer: { kind: _, ...optimizer }, schedule, gradClip, batch, accumulate, steps } }: ModelSpec): string {
  return object(Object.entries({ optimizer, schedule, gradClip, batch, accumulate, steps }));
}
