/** README.md: what the folder is, for those who load and train it. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { isCausal } from "./context.ts";
import { modelType } from "./config.ts";

/** What a trained model has seen. */
export interface Trained {
  readonly step: number;
  readonly source: string;
  readonly tokens: number;
}

export interface About {
  /** Resolved, in canonical form. */
  readonly spec: string;
  readonly parameters: number;
  readonly version: string;
  /** Null for weights as training begins with them. */
  readonly trained: Trained | null;
  /** Null where it is not known what tokens are. */
  readonly tokenizer: TokenizerFile | null;
}

export interface TokenizerFile {
  /** As data name it that were made with it. */
  readonly id: string;
  /** tokenizer.json */
  readonly text: string;
  /** The token behind a document; null where there is none. */
  readonly end: { readonly id: number; readonly text: string } | null;
}

const grouped = (n: number): string => n.toLocaleString("en");

const weightsText = (model: ModelSpec, trained: Trained | null): string => {
  if (trained === null) return "not trained yet: the weights are those that training begins with";
  const { step, source, tokens } = trained;
  return `trained for ${grouped(step)} steps of ${grouped(model.train.batch)} sequences on ${source} (${grouped(tokens)} tokens)`;
};

const tokensText = ({ vocabSize }: ModelSpec, tokenizer: TokenizerFile | null): string => (tokenizer === null
  ? `tokens = torch.tensor([[0]])  # numbers below ${vocabSize}`
  : `tokenizer = AutoTokenizer.from_pretrained(".", trust_remote_code=True)
tokens = tokenizer("The quick brown", return_tensors="pt").input_ids`);

export const modelCard = (model: ModelSpec, { spec, parameters, version, trained, tokenizer }: About): string => `---
library_name: transformers
pipeline_tag: text-generation
tags: [moeut]
---

# ${model.name}

${grouped(parameters)} parameters, ${weightsText(model, trained)}.
\`modeling_${modelType(model)}.py\` is all of the model, written by moeut ${version} from this spec:

\`\`\`moeut
${spec.trim()}
\`\`\`

\`\`\`python
${tokenizer === null ? "import torch\n" : ""}from transformers import AutoModelForCausalLM${tokenizer === null ? "" : ", AutoTokenizer"}

model = AutoModelForCausalLM.from_pretrained(".", trust_remote_code=True)
${tokensText(model, tokenizer)}
${isCausal(model) ? "model.generate(tokens, max_new_tokens=50)" : "model(tokens).logits  # every position sees all: it cannot generate"}
\`\`\`

\`moeut import hf . --out RUN\` makes a run folder of the weights in this folder, bit for bit.
`;
