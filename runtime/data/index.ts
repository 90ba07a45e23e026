export { chosenWindows, datasetOf, windowBatches, type Data, type Dataset, type SplitOptions, type ValidationBatch } from "./dataset.ts";
export { measuredText, type MeasuredText } from "./measured.ts";
export { sharedTokens } from "./overlap.ts";
export { canReadAgain } from "./source.ts";
export { splitText } from "./split.ts";
export { inMemory } from "./tokens.ts";
export { loadText, type Text, type TextOptions } from "./text.ts";
export { byteTokenizer, decodeText, encodeText, type TokenArray, type Tokenizer } from "./tokenizer.ts";
export { scoredTokens, windowsOf, type Tail, type Windows } from "./windows.ts";
