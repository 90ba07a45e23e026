/** What makes the emitted folder a small project of its own. */
import { needsSubgroups } from "../../runtime/standalone/require-device.ts";
import type { KernelPlan } from "../ir/plan.ts";
import { generates, readsText, trains, type Emission } from "./emission.ts";
import { whatStartDoes } from "./example.ts";

/** For a reader of src/: the folder's JavaScript is made already. */
export const TSCONFIG = `${JSON.stringify({
  compilerOptions: {
    target: "ES2022", module: "NodeNext", moduleResolution: "NodeNext", lib: ["ES2023"], types: ["node", "@webgpu/types"],
    strict: true, noUncheckedIndexedAccess: true, noUnusedLocals: true, noUnusedParameters: true, exactOptionalPropertyTypes: true,
    skipLibCheck: true, allowImportingTsExtensions: true, noEmit: true,
  },
  include: ["src"],
}, null, 2)}\n`;

/** @param name of the model; npm wants lower case, and no name of a dependency */
export const packageJson = (name: string): string => `${JSON.stringify({
  name: `moeut-${name.toLowerCase()}`, version: "1.0.0", private: true, type: "module", sideEffects: false,
  exports: { ".": { types: "./model.d.ts", default: "./model.js" }, "./*": "./*" },
  scripts: { start: "node example.js", typecheck: "tsc" },
  optionalDependencies: { webgpu: "0.6.2" },
  devDependencies: { "@types/node": "20.19.43", "@webgpu/types": "0.1.74", typescript: "5.9.3" },
}, null, 2)}\n`;

export function readme(e: Emission, banner: string): string {
  const { model, plan, cpu, weights } = e;
  return `# ${model.name}

${banner}. Everything here runs without moeut.

\`\`\`
node example.js${weights === null && !trains(plan) ? " WEIGHTS" : ""}   # ${whatStartDoes(e)}
npm install       # for a GPU under Node (the package webgpu), and for: npm run typecheck
\`\`\`

${fileTable(e)}
Tokens are ${tokensOf(e)}; the context is ${model.seqLen} of them. In a program of your own, or in a page:

\`\`\`ts
const device = await requestDevice(navigator.gpu);   // null without a GPU
const model = await load(device);                    // with null on the processor: load(null, { threads: 4 })
${usage(e)}
\`\`\`

${callsOf(e)}

${BUNDLERS}
A page is on all cores of the processor if it is cross-origin isolated (the headers \`Cross-Origin-Opener-Policy: same-origin\` and
\`Cross-Origin-Embedder-Policy: require-corp\`), and else on one.

${needsOf(plan)} All buffers together take ${memoryOf(plan)}; on the processor ${memoryOf(cpu)}.
`;
}

function fileTable(e: Emission): string {
  const { plan, weights } = e;
  const rows: readonly (readonly [file: string, what: string])[] = [
    ["file", "what it is"], ["---", "---"],
    ["`model.js`, `model.d.ts`", `\`load(device)\`: ${functionsOf(e)}; names and shapes of all parameters as types`],
    ["`plan.json`", `what a GPU loads: buffers, launches and their order, and the text of the ${plan.kernels.length} compute shaders`],
    ["`cpu.json`, `cpu.wasm`", "what the processor loads: the same model, its kernels as WebAssembly"],
    ...(weights === null ? [] : [["`weights.safetensors`", "the trained weights, which `load` loads"] as const]),
    ["`kernels/*.wgsl`", "the shaders to read, each with what it computes; nothing loads them"],
    ["`runtime/`", "the executors and what surrounds them: the same files that moeut itself runs"],
    ["`src/`", "the TypeScript that all the JavaScript was made of"],
    generates(plan) ? ["`example.js`, `index.html`", "the model under Node; a page that continues text, from any server of plain files"]
      : ["`example.js`", "the model under Node"],
    ["`manifest.json`", "parameters with their official names, memory, and which part of the spec each launch computes"],
    ["`spec.moeut`", "the model, every default written out"],
    ...tokenizerRow(e),
  ];
  return rows.map(([file, what]) => (file === "---" ? "|---|---|\n" : `| ${file} | ${what} |\n`)).join("");
}

/** What can be asked of the model, and what holds for every call. */
function callsOf({ plan, masked = false, weights }: Emission): string {
  const take = "`model.loadWeights(bytes)` takes a checkpoint's `weights.safetensors`, as `readFile` or `fetch(…).arrayBuffer()` give it. ";
  const ignored = masked ? " (a target that is `IGNORED`, which `model.js` exports, counts for nothing)" : "";
  const train = `\`model.initialize(seed)\` and \`model.trainStep(step, batches, { seed })\` train${ignored}, `;
  const turns = ", and so do the tokens of generations\nthat run at the same time, each of which sees only its own text";
  return [
    weights === null ? take : "", trains(plan) ? train : "", "`model.forward(batch)` gives the loss of each token,\n",
    "`model.logits(tokens)` the logits behind each, `model.saveWeights()` the bytes of a safetensors file. ",
    "Calls that return promises take turns", generates(plan) ? turns : "", ". What a call is given is checked before anything changes, ",
    "and a lost device says so. The same seed and\n",
    "data give the same bits on the same adapter, here and with moeut; on the processor, with any number of threads.",
  ].join("");
}

const BUNDLERS = 'Bundlers take the data files along where they know `new URL("./file", import.meta.url)` (Vite, webpack). '
  + "With others (esbuild), put them beside the bundle.";

const functionsOf = ({ plan }: Emission): string =>
  [...(trains(plan) ? ["trainStep"] : []), "forward", "logits", ...(generates(plan) ? ["generate", "complete"] : []), "weights"].join(", ");

function tokenizerRow(e: Emission): readonly (readonly [file: string, what: string])[] {
  if (e.text === null || e.text === "bytes") return [];
  return [["`tokenizer.json`", `how text becomes tokens${readsText(e) ? ", which `load` reads" : ""}`]];
}

/** Other tokenizers are somebody else's code, which a folder that imports nothing cannot bring along. */
function tokensOf(e: Emission): string {
  const { text, model } = e;
  if (text === "bytes") return "bytes";
  if (text === null) return `numbers below ${model.vocabSize}`;
  if (readsText(e)) return "those of `tokenizer.json`";
  return `those of \`tokenizer.json\`, of a kind that this folder knows only with the package \`@huggingface/tokenizers\`:
\`load(device, { text: libraryCode(json, Tokenizer) })\`, with \`libraryCode\` of \`runtime/tokenizer/library.js\``;
}

function usage(e: Emission): string {
  const { plan } = e;
  if (!generates(plan)) return "const nats = await model.forward({ tokens, targets });";
  const options = "{ maxTokens: 100, temperature: 0.8, topP: 0.95, seed: 1 }";
  return readsText(e) ? `for await (const text of model.complete("once ", ${options})) show(text);`
    : `for await (const token of model.generate(prompt, ${options})) show(token);`;
}

function needsOf({ profile }: KernelPlan): string {
  const features = needsSubgroups(profile) ? `the feature \`subgroups\`, with subgroups of exactly ${profile.lanes} lanes`
    : "no optional feature";
  return `A device needs ${features}, and the limits in \`DEVICE\`.`;
}

function memoryOf({ memory: { total, byKind } }: KernelPlan): string {
  const parts = Object.entries(byKind).filter(([, n]) => n > 0).map(([kind, n]) => `${kind} ${megabytes(n)}`);
  return `${megabytes(total)} (${parts.join(", ")})`;
}

const megabytes = (n: number): string => `${(n / 2 ** 20).toFixed(n < 2 ** 20 ? 3 : 1)} MiB`;
