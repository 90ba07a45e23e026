export { loadData, type Batch, type DataOptions, type Dataset, type ValidationBatch } from "./dataset.ts";
export { BUILT_IN } from "./source.ts";
export { byteTokenizer, decodeText, encodeText, type TokenArray, type Tokenizer } from "./tokenizer.ts";
