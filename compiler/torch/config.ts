/** The configuration: its class, and config.json. */
import type { ModelSpec } from "../ir/model-spec.ts";
import { number, python } from "./python.ts";
import { configName } from "./writer.ts";
import type { Field, Writer } from "./writer.ts";

/** "moeut_44m": what transformers call the type of a model, and the end of the file's name. */
export const modelType = ({ name }: ModelSpec): string => name.toLowerCase().replace(/\W+/g, "_");

/** Fields that every model has. */
export const startFields = ({ vocabSize, seqLen, dModel, schedule, layers }: ModelSpec): Writer["fields"] => new Map<string, Field>([
  ["vocab_size", { type: "int", value: vocabSize }], ["seq_len", { type: "int", value: seqLen }],
  ["d_model", { type: "int", value: dModel }],
  ["num_hidden_layers", { type: "int", value: schedule.length, ...(layers.length === schedule.length ? {} : { note: NOTE }) }],
]);

const NOTE = "applications: each has keys and values of its own";

export const configClass = ({ model, fields }: Writer): string => python`
  class ${configName(model)}(PreTrainedConfig):
      model_type = "${modelType(model)}"
      keys_to_ignore_at_inference = ["past_key_values"]
      attribute_map = {"hidden_size": "d_model", "max_position_embeddings": "seq_len", "num_attention_heads": "n_heads"}

      ${[...fields].map(([name, field]) => `${name}: ${field.type} = ${literal(field)}`).join("\n")}
`;

const literal = ({ type, value, note }: Field): string =>
  `${type === "float" && Number.isInteger(value) ? `${value}.0` : number(value)}${note === undefined ? "" : `  # ${note}`}`;
