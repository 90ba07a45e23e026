/** What makes the emitted folder a small project of its own. */
import { needsSubgroups } from "../../runtime/standalone/require-device.ts";
import type { Emission } from "./emission.ts";

export const TSCONFIG = `${JSON.stringify({
  compilerOptions: {
    target: "ES2022", module: "NodeNext", moduleResolution: "NodeNext", lib: ["ES2023"], types: ["node", "@webgpu/types"], strict: true, noUncheckedIndexedAccess: true,
    noUnusedLocals: true, noUnusedParameters: true, exactOptionalPropertyTypes: true, skipLibCheck: true, allowImportingTsExtensions: true, noEmit: true,
  },
  include: ["*.ts", "runtime"],
}, null, 2)}\n`;

/** @param name of the model; npm wants lower case, and no name of a dependency */
export const packageJson = (name: string): string => `${JSON.stringify({
  name: `moeut-${name.toLowerCase()}`, private: true, type: "module",
  scripts: { start: "tsx example.ts", typecheck: "tsc" },
  dependencies: { webgpu: "0.6.2" },
  devDependencies: { "@types/node": "20.19.43", "@webgpu/types": "0.1.74", tsx: "4.23.15", typescript: "5.9.3" },
}, null, 2)}\n`;

const generates = ({ plan }: Emission): boolean => Object.hasOwn(plan.entries, "decode");

const CONTINUE = `const out: number[] = [];
for await (const next of model.generate(Array.from({ length: 8 }, (_, i) => token(i)), { maxTokens: 60, temperature: 0.5 })) out.push(next);
console.log(new TextDecoder().decode(Uint8Array.from(out)));
`;

export function exampleText(e: Emission): string {
  return `/** ${whatStartDoes(e)}. */
import { create } from "webgpu";
import { DEVICE, load, RECIPE, SIZES } from "./model.ts";

// The object that create() returns must stay reachable as long as the device is used.
const gpu = create([]);
const adapter = await gpu.requestAdapter();
if (adapter === null) throw new Error("no WebGPU adapter");
const device = await adapter.requestDevice(DEVICE);

const text = new TextEncoder().encode("a layer is a pool of weights, a site is where it is used, and the schedule is the order. ");
const token = (i: number): number => text[i % text.length]! % ${e.model.vocabSize};
const count = SIZES.batch * SIZES.seqLen;
const batch = { tokens: Uint32Array.from({ length: count }, (_, i) => token(i)), targets: Uint32Array.from({ length: count }, (_, i) => token(i + 1)) };

const model = await load(device);
model.initialize(0);
for (let step = 0; step < 20; step++) {
  const { ceLoss, gradNorm } = await model.trainStep(step, Array.from({ length: RECIPE.accumulate }, () => batch));
  console.log(\`step \${step + 1}  loss \${ceLoss.toFixed(4)}  gradient norm \${gradNorm.toFixed(4)}\`);
}
${generates(e) ? CONTINUE : ""}process.exit(0);
`;
}

const whatStartDoes = (e: Emission): string => `Trains for a few steps on one line of text${generates(e) ? " and continues it" : ""}`;

export function readme(e: Emission, banner: string): string {
  const { model, plan } = e;
  const subgroups = needsSubgroups(plan.profile) ? `the feature \`subgroups\`, with subgroups of exactly ${plan.profile.lanes} lanes` : "no optional feature";
  const { total, byKind } = plan.memory;
  return `# ${model.name}

${banner}. Everything here runs without moeut.

\`\`\`
npm install
npm start          # ${whatStartDoes(e).toLowerCase()}
npm run typecheck
\`\`\`

| file | what it is |
|---|---|
| \`model.ts\` | \`load(device)\`: trainStep, forward, ${generates(e) ? "generate, " : ""}weights; names and shapes of all parameters as types |
| \`plan.json\` | all that is loaded: buffers, launches and their order, and the text of the ${plan.kernels.length} compute shaders |
| \`kernels/*.wgsl\` | the same shaders to read, each with what it computes; nothing loads them |
| \`manifest.json\` | parameters with their official names, memory, and which part of the spec each launch computes |
| \`runtime/\` | the executor and what surrounds it: the same files that moeut itself runs |
| \`spec.moeut\` | the model, every default written out |

Tokens are numbers below ${model.vocabSize}; the context is ${model.seqLen} of them. In a program of your own, or in a web page through a bundler that copies
\`plan.json\` beside the module:

\`\`\`ts
const model = await load(await adapter.requestDevice(DEVICE));
model.loadWeights(readFileSync("weights.safetensors"));   // of a checkpoint; on the web, what fetch(…).arrayBuffer() gives
${generates(e) ? "for await (const token of model.generate(prompt, { maxTokens: 100, temperature: 0.8, topP: 0.95, seed: 1 })) show(token);" : "const nats = await model.forward({ tokens, targets });"}
\`\`\`

\`model.initialize(seed)\` and \`model.trainStep(step, batches, { seed })\` train, \`model.forward(batch)\` gives the loss of each token, \`model.saveWeights()\` the bytes of a
safetensors file. Calls that return promises take turns${generates(e) ? ", and so do the tokens of generations that run at the same time, each of which sees only its own text" : ""}.
What a call is given is checked before anything changes, and a lost device says so. The same seed and data give the same
bits on the same adapter, here and with moeut.

The device needs ${subgroups}, and the limits in \`DEVICE\`. All buffers together take ${megabytes(total)}: ${Object.entries(byKind).filter(([, n]) => n > 0).map(([kind, n]) => `${kind} ${megabytes(n)}`).join(", ")}.
`;
}

const megabytes = (n: number): string => `${(n / 2 ** 20).toFixed(n < 2 ** 20 ? 3 : 1)} MiB`;
