/**
 * The vocabulary of the language table: kinds of fields and blocks. Plain data; `value` is never set, it carries the
 * type that a reader of the field gets.
 */
import type { FnSpec } from "../ir/model-spec.ts";
import { numberText } from "../ir/number-text.ts";

export type FieldType =
  /** Whole number in min … max. */
  | { readonly type: "int"; readonly min: number; readonly max: number }
  /** Number in min … max, above min if `open`, below max if `below`; or one of `words`. */
  | {
    readonly type: "number"; readonly min: number; readonly max: number; readonly open: boolean; readonly below: boolean;
    readonly words: readonly string[];
  }
  /** `true`, `false`, or one of `words`. */
  | { readonly type: "flag"; readonly words: readonly string[] }
  | { readonly type: "choice"; readonly choices: readonly string[] }
  /** One of the choices, or a function of the file with one parameter. */
  | { readonly type: "function"; readonly choices: readonly string[] }
  /** One or more of the choices, none twice; kept in the order of the choices. */
  | { readonly type: "set"; readonly choices: readonly string[] }
  /** At most one word of each group; the first of a group where none is given. */
  | { readonly type: "groups"; readonly groups: readonly (readonly string[])[] }
  /** Exactly `count` numbers in min … max (max excluded). */
  | { readonly type: "numbers"; readonly count: number; readonly min: number; readonly max: number }
  /** One or more numbers in min … max, above min if `open`, none twice. */
  | { readonly type: "list"; readonly whole: boolean; readonly min: number; readonly max: number; readonly open: boolean }
  /** One or more names, or texts in quotes, none twice. */
  | { readonly type: "names"; readonly of: string }
  /** The name of a model. */
  | { readonly type: "name" };

export type FieldValue = number | string | boolean | readonly string[] | readonly number[] | FnSpec;

export interface Field<T> {
  readonly type: FieldType;
  /** Null where the default follows from other fields; `shown` says how. */
  readonly default: T;
  /** The default as docs show it. */
  readonly shown: string;
  readonly unit: string;
  /** `[@glu]` in it cites a row of sources.ts. */
  readonly doc: string;
  /** Written as a clause of this field or block: `n_experts 8 on v, o`, `norm layernorm at pre`. */
  readonly clauseOf: string | null;
  /** A field that says the same in another way: one of the two can be written, and it replaces what is inherited of the other. */
  readonly rival: string | null;
  readonly value?: T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;
export type Blocks = Readonly<Record<string, Block>>;

/** What stands inside the braces of one kind of block. */
export interface Kind<F extends Fields = Fields> {
  readonly doc: string;
  /** Such blocks as specs have them, each on a line; together they have every field. */
  readonly examples: readonly string[];
  readonly fields: F;
  readonly blocks: Blocks;
}

export interface Block {
  readonly doc: string;
  /** By the word behind the block's name; a block without such words has the one kind "". */
  readonly kinds: Readonly<Record<string, Kind>>;
  /** The kind where none is named; null where it follows from other fields (`shown` says how). */
  readonly defaultKind: string | null;
  readonly shown: string;
}

interface Row<D> {
  readonly default: D;
  readonly doc: string;
  readonly unit?: string;
  readonly shown?: string;
  readonly clauseOf?: string;
  readonly rival?: string;
}

const field = <T>(type: FieldType, row: Row<T>): Field<T> => ({
  type, default: row.default, shown: row.shown ?? show(row.default), unit: row.unit ?? "", doc: row.doc,
  clauseOf: row.clauseOf ?? null, rival: row.rival ?? null,
});

const show = (value: unknown): string =>
  Array.isArray(value) ? value.map(show).join(", ") : typeof value === "number" ? numberText(value) : String(value);

export const int = <D extends number | null>(row: Row<D> & { readonly min?: number; readonly max: number }): Field<number | D> =>
  field<number | D>({ type: "int", min: row.min ?? 1, max: row.max }, row);

interface Words<W extends string> {
  readonly min: number;
  readonly max: number;
  readonly open?: boolean;
  readonly below?: boolean;
  readonly words?: readonly W[];
}

export const number = <D extends number | string | null, W extends string = never>(row: Row<D> & Words<W>): Field<number | W | D> =>
  field<number | W | D>(
    { type: "number", min: row.min, max: row.max, open: row.open ?? false, below: row.below ?? false, words: row.words ?? [] }, row,
  );

export const flag = <W extends string = never>(row: Row<boolean> & { readonly words?: readonly W[] }): Field<boolean | W> =>
  field<boolean | W>({ type: "flag", words: row.words ?? [] }, row);

export const choice = <C extends string, D extends C | null>(choices: readonly C[], row: Row<D>): Field<C | D> =>
  field<C | D>({ type: "choice", choices }, row);

export const pointwise = <C extends string, D extends C>(choices: readonly C[], row: Row<D>): Field<C | FnSpec> =>
  field<C | FnSpec>({ type: "function", choices }, row);

export const set = <C extends string, D extends readonly NoInfer<C>[] | null>(
  choices: readonly C[], row: Row<D>,
): Field<readonly C[] | D> =>
  field<readonly C[] | D>({ type: "set", choices }, row);

export const groups = <A extends string, B extends string>(
  of: readonly [readonly A[], readonly B[]],
  row: Row<readonly [NoInfer<A>, NoInfer<B>]>,
): Field<readonly [A, B]> => field({ type: "groups", groups: of }, row);

export const numbers = (row: Row<readonly number[]> & { readonly min: number; readonly max: number }): Field<readonly number[]> =>
  field({ type: "numbers", count: row.default.length, min: row.min, max: row.max }, row);

/** Whole numbers from 1 on. */
export const ints = (row: Row<readonly number[]> & { readonly max: number }): Field<readonly number[]> =>
  field({ type: "list", whole: true, min: 1, max: row.max, open: false }, row);

/** Numbers above 0. */
export const positives = (row: Row<readonly number[]> & { readonly max: number }): Field<readonly number[]> =>
  field({ type: "list", whole: false, min: 0, max: row.max, open: true }, row);

/** @param of what they name */
export const names = (of: string, row: Row<readonly string[]>): Field<readonly string[]> => field({ type: "names", of }, row);

export const modelName = (row: Row<string | null>): Field<string | null> => field({ type: "name" }, row);

/** A block with several kinds. */
export const block = (doc: string, defaultKind: string | null, kinds: Readonly<Record<string, Kind>>, shown = defaultKind ?? ""): Block =>
  ({ doc, kinds, defaultKind, shown });

/** A block without a word behind its name. */
export const plainBlock = (kind: Kind): Block => ({ doc: kind.doc, kinds: { "": kind }, defaultKind: "", shown: "" });

/** F is not constrained in the parameter: a constraint would be a contextual type and widen the choices of each field to string. */
export const kind = <F>(doc: string, examples: readonly string[], fields: F, blocks: Blocks = {}): F extends Fields ? Kind<F> : never =>
  ({ doc, examples, fields, blocks }) as unknown as F extends Fields ? Kind<F> : never;

/** A kind that says all by its name. */
export const nothing = (doc: string): Kind => kind(doc, [], {});
