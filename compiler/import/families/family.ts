/** What is to be known of a family of published models: how its config.json becomes a spec, and its tensors parameters. */
import type { Role } from "../../parameters/parameters.ts";
import type { Options, Relation, Rules } from "../options.ts";
import type { Source } from "./tensors.ts";

export interface Family {
  /** Fields of config.json that shape the model, and what each may be. */
  readonly rules: Rules;
  readonly relations: readonly Relation[];
  /** @param options that fulfil the rules and relations */
  readonly model: (options: Options) => FamilyModel;
  /** What stands in front of the names of all tensors but the head's, and is missing where a checkpoint holds the bare model. */
  readonly prefix: string;
  /** Where the parameters are, by what they do. */
  readonly tensors: Tensors;
  /** Tensors that need no place: masks and tables of old checkpoints, and the head's where it is the embedding. */
  readonly spare: RegExp;
}

export type Tensors = Partial<Readonly<Record<Role, Source>>>;

/** A model in the words of the language; layers are alike. */
export interface FamilyModel {
  readonly front: Fields;
  readonly layer: Fields;
  readonly depth: number;
}

/**
 * Fields by name, and blocks by their name and what stands in front of their braces: "norm rmsnorm at pre". What is undefined is left to
 * its default.
 */
export interface Fields {
  readonly [name: string]: number | boolean | string | Fields | undefined;
}
