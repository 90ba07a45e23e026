/** Weights in one file or in several: `model.safetensors`, or the files that `model.safetensors.index.json` names. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { readJsonFile } from "./json.ts";
import { readSafetensors, type SafetensorsFile } from "./safetensors.ts";

/** Tensors by name, read one at a time when asked for. */
export type Weights = Pick<SafetensorsFile, "path" | "tensors" | "readFloats">;

const [WHOLE, INDEX] = ["model.safetensors", "model.safetensors.index.json"];

/** Null if the folder has neither. UserError, naming the file, for one that is not sound. */
export function readWeights(folder: string): Weights | null {
  const [whole, index] = [join(folder, WHOLE), join(folder, INDEX)];
  if (existsSync(whole)) return readSafetensors(whole);
  return existsSync(index) ? readShards(folder, index) : null;
}

function readShards(folder: string, index: string): Weights {
  const places = placesOf(index);
  const shards = new Map([...new Set(places.values())].map((name) => [name, readSafetensors(join(folder, name))]));
  const shardOf = (tensor: string): SafetensorsFile => shards.get(places.get(tensor)!)!;
  const lost = [...places].find(([tensor, name]) => !shards.get(name)!.tensors.has(tensor));
  if (lost !== undefined) throw new UserError(`${index} says that ${lost[1]} holds the tensor "${lost[0]}"; it does not`);
  return {
    path: index, tensors: new Map([...places.keys()].map((tensor) => [tensor, shardOf(tensor).tensors.get(tensor)!])),
    readFloats: (tensor) => shardOf(tensor).readFloats(tensor),
  };
}

/** File names by tensor. */
function placesOf(index: string): ReadonlyMap<string, string> {
  const map = (readJsonFile(index) as { readonly weight_map?: unknown } | null)?.weight_map;
  const entries = typeof map === "object" && map !== null ? Object.entries(map) : [];
  const isName = (name: unknown): name is string => typeof name === "string" && /^[^/\\]+\.safetensors$/.test(name);
  if (entries.length > 0 && entries.every(([, name]) => isName(name))) return new Map(entries as [string, string][]);
  throw new UserError(`${index} names no safetensors files beside it: its weight_map must say for each tensor which of them holds it`);
}
