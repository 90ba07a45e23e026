/** What a benchmark asks, and what is kept of the answers. */

export interface Item {
  readonly id: string;
  /** What it counts towards: a result is the mean over the items of a group, then over the groups. */
  readonly group: string;
  /** Kinds of its group by name, for breakdowns: means over the groups of a kind. */
  readonly kinds?: Readonly<Record<string, string>>;
  /** Read and not scored; empty where whole texts are compared. */
  readonly context: string;
  /** Continuations, or whole texts, without the space in front. */
  readonly choices: readonly string[];
  /** No space belongs in front of the choices. Else there is one, save in front of whole sentences by moeut. */
  readonly glued?: true;
  readonly gold: number;
}

/** What the files of a benchmark hold. */
export interface Loaded {
  readonly items: readonly Item[];
  /** Where the files are another form of the set, whose results have a name of their own. */
  readonly variant?: string;
  /** What the reader should know. */
  readonly notes?: readonly string[];
}

export type TaskProtocol = "moeut" | "harness";

/** Of one choice: logarithms of probabilities are natural, summed in float64. */
export interface Score {
  readonly sum: number;
  readonly tokens: number;
  /** Code points and UTF-8 bytes of the choice without the space in front. */
  readonly characters: number;
  readonly bytes: number;
}

/** What came out for an item. */
export interface Answer {
  readonly choices: readonly Score[];
  /** Where the model was to say a text itself. */
  readonly predicted?: string;
  /** By name: 1 if the item was answered right, else 0; and what perplexities are made of. */
  readonly measures: Readonly<Record<string, number>>;
}
