/** example.ts of an emitted folder: what `npm start` runs. */
import { generates, readsText, trains, type Emission } from "./emission.ts";

/** In one clause, for the folder's README as well. */
export function whatStartDoes({ plan, weights }: Emission): string {
  const uses = generates(plan) ? "continues a line of text" : "measures a line of text";
  if (weights !== null) return uses;
  return trains(plan) ? `trains for a few steps, then ${uses}` : `loads the weights that it is given, then ${uses}`;
}

export function exampleText(e: Emission): string {
  const { plan, weights } = e;
  const learns = weights === null && trains(plan);
  const batch = learns || !generates(plan);
  const given = weights === null && !trains(plan);
  const tokens = batch || !readsText(e);
  const names = ["load", ...(learns ? ["RECIPE"] : []), "requestDevice", ...(tokens ? ["SIZES"] : [])];
  const parts = [
    tokens ? TOKENS : "", batch ? BATCH : "", learns ? LEARN : "", given ? GIVEN : "", generates(plan) ? continuation(e) : MEASURE,
  ];
  const capital = whatStartDoes(e).replace(/^./, (first) => first.toUpperCase());
  return `/** ${capital}. */
${given ? `import { readFile } from "node:fs/promises";\n` : ""}import { ${names.join(", ")} } from "./model.ts";

// Under Node, WebGPU comes from the package webgpu. Without it, or without a GPU, the model runs on the processor.
const gpu = await import("webgpu").then(({ create }) => create([]), () => undefined);
const device = await requestDevice(gpu);
console.log(\`on \${device === null ? "the processor" : device.adapterInfo.description}\`);
const model = await load(device);
${parts.join("")}process.exit(0);
`;
}

const TOKENS = `
const text = new TextEncoder().encode("a layer is a pool of weights, a site is where it is used, and the schedule is the order. ");
const token = (i: number): number => text[i % text.length]! % SIZES.vocabSize;
`;

const BATCH = `const count = SIZES.batch * SIZES.seqLen;
const from = (first: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => token(first + i));
const batch = { tokens: from(0), targets: from(1) };
`;

const LEARN = `
model.initialize(0);
for (let step = 0; step < 20; step++) {
  const { ceLoss, gradNorm } = await model.trainStep(step, Array.from({ length: RECIPE.accumulate }, () => batch));
  console.log(\`step \${step + 1}  loss \${ceLoss.toFixed(4)}  gradient norm \${gradNorm.toFixed(4)}\`);
}
`;

const GIVEN = `
const file = process.argv[2];
if (file === undefined) throw new Error("say which weights: node example.js weights.safetensors (a checkpoint has such a file)");
model.loadWeights(await readFile(file));
`;

const continuation = (e: Emission): string => (readsText(e) ? `
const prompt = "a layer is ";
process.stdout.write(prompt);
for await (const piece of model.complete(prompt, { maxTokens: 60, temperature: 0.5 })) process.stdout.write(piece);
console.log();
` : `
const prompt = Array.from({ length: 8 }, (_, i) => token(i));
for await (const next of model.generate(prompt, { maxTokens: 60, temperature: 0.5 })) console.log(next);
`);

const MEASURE = `
const losses = await model.forward(batch);
console.log(\`\${(losses.reduce((a, b) => a + b, 0) / losses.length).toFixed(4)} nats per token\`);
`;
