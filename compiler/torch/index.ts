/** A model as the files of a Hugging Face checkpoint, but for its weights: ModelSpec → PyTorch text. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { modelCard } from "./card.ts";
import type { About, TokenizerFile } from "./card.ts";
import { isCausal } from "./context.ts";
import { modelType, startFields } from "./config.ts";
import { KEYWORDS, withFunctionNames } from "./functions.ts";
import { className, modelingFile } from "./module.ts";
import { trainFile } from "./train.ts";
import { uses } from "./python.ts";
import { configName } from "./writer.ts";
import type { Writer } from "./writer.ts";

export { torchPlace } from "./names.ts";
export type { TokenizerFile, Trained } from "./card.ts";

interface TorchFile {
  readonly path: string;
  readonly content: string;
}

export function torchFiles(given: ModelSpec, about: About): readonly TorchFile[] {
  const model = withPythonNames(given);
  const fields = startFields(model);
  const module = `modeling_${modelType(model)}`;
  const text = modelingFile(model, fields, `${model.name} in PyTorch, written by moeut ${about.version} from the spec in README.md.`);
  return [
    { path: `${module}.py`, content: text }, { path: "train.py", content: trainFile(model, about.tokenizer?.id ?? null) },
    json("config.json", configJson(model, fields, module)),
    ...(isCausal(model) ? [json("generation_config.json", generationConfig(about.tokenizer))] : []),
    ...(about.tokenizer === null ? [] : tokenizerFiles(model, about.tokenizer)),
    { path: "spec.moeut", content: about.spec }, { path: "README.md", content: modelCard(model, about) },
  ];
}

/** A function keeps its name unless that means something in the module, or to Python, or is another function's. */
function withPythonNames(model: ModelSpec): ModelSpec {
  const draft = modelingFile(withFunctionNames(model, (_, index) => `fn_${index}`), new Map(), "");
  const taken: string[] = [];
  return withFunctionNames(model, (name, index) => {
    const isFree = !KEYWORDS.has(name) && !uses(draft, name) && !taken.includes(name);
    return (taken[index] ??= isFree ? name : `${name}_fn${index === 0 ? "" : index + 1}`);
  });
}

const json = (path: string, value: unknown): TorchFile => ({ path, content: `${JSON.stringify(value, null, 2)}\n` });

const configJson = (model: ModelSpec, fields: Writer["fields"], module: string): unknown => ({
  architectures: [className(model)],
  auto_map: { AutoConfig: `${module}.${configName(model)}`, AutoModelForCausalLM: `${module}.${className(model)}` },
  model_type: modelType(model), dtype: "float32", ...Object.fromEntries([...fields].map(([name, { value }]) => [name, value])),
});

const generationConfig = (tokenizer: TokenizerFile | null): unknown =>
  ({ do_sample: true, ...(tokenizer?.end == null ? {} : { eos_token_id: tokenizer.end.id }) });

const tokenizerFiles = ({ seqLen }: ModelSpec, { text, end }: TokenizerFile): readonly TorchFile[] => [
  { path: "tokenizer.json", content: text },
  json("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast", model_max_length: seqLen, clean_up_tokenization_spaces: false,
    ...(end === null ? {} : { eos_token: end.text }),
  }),
];
