/** index.html of an emitted folder: continues a text, from any server of plain files. */
import { readsText, type Emission } from "./emission.ts";

export function pageText(e: Emission): string {
  const { model, weights } = e;
  const [prompt, pieces] = readsText(e) ? ["a layer is ", PIECES] : ["1 2 3", TOKENS];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${model.name}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
  textarea { width: 100%; box-sizing: border-box; font: inherit }
  output { display: block; white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, monospace }
</style>
<h1>${model.name}</h1>
<p id="where">loading …</p>
${weights === null ? `<p><label>weights.safetensors of a checkpoint <input id="weights" type="file"></label></p>\n` : ""}<form id="form">
  <textarea name="prompt" rows="3" aria-label="prompt">${prompt}</textarea>
  <label>tokens <input name="tokens" type="number" min="1" value="200"></label>
  <label>temperature <input name="temperature" type="number" min="0" step="0.1" value="0.8"></label>
  <label>seed <input name="seed" type="number" min="0" value="0"></label>
  <button disabled>continue</button>
</form>
<output id="text"></output>
<script type="module">
import { DEVICE, load, requestDevice } from "./model.js";

const at = (id) => document.getElementById(id);
const button = document.querySelector("button");
const show = (error) => { at("where").textContent = error.message; };
let model;

// A GPU if there is one, else the processor: on all its cores where the page is cross-origin isolated, on one thread elsewhere.
// ?on=cpu takes the processor in any case, ?on=gpu any adapter, also one that only imitates a GPU.
async function deviceFor(choice) {
  if (choice === "cpu") return null;
  return choice === "gpu" ? (await navigator.gpu.requestAdapter()).requestDevice(DEVICE) : requestDevice(navigator.gpu);
}

const nameOf = ({ description, vendor, architecture }) => description || \`\${vendor} \${architecture}\`;

async function begin() {
  const device = await deviceFor(new URLSearchParams(location.search).get("on"));
  model = await load(device);
  at("where").textContent = device === null ? "on the processor" : \`on \${nameOf(device.adapterInfo)}\`;
  button.disabled = false;
}
begin().catch(show);
${weights === null ? `
at("weights").onchange = async ({ target }) => {
  try {
    model.loadWeights(await target.files[0].arrayBuffer());
  } catch (error) {
    show(error);
  }
};
` : ""}
at("form").onsubmit = async (event) => {
  event.preventDefault();
  button.disabled = true;
  const values = new FormData(event.target);
  const [maxTokens, temperature, seed] = ["tokens", "temperature", "seed"].map((name) => Number(values.get(name)));
  const prompt = values.get("prompt");
  at("text").textContent = prompt;
  try {
    ${pieces}
  } catch (error) {
    show(error);
  }
  button.disabled = false;
};
</script>
</html>
`;
}

const PIECES = 'for await (const piece of model.complete(prompt, { maxTokens, temperature, seed })) at("text").textContent += piece;';

const TOKENS = `const tokens = prompt.trim().split(/\\s+/).map(Number);
    for await (const token of model.generate(tokens, { maxTokens, temperature, seed })) at("text").textContent += \` \${token}\`;`;
