/**
 * What has been said about a model so far: a tree of settings, from the statements of its ancestors, its own, and
 * `--set`. Values are read (typed, range-checked) when a statement is applied, so a wrong one is reported once, however
 * many models inherit it.
 */
import type { Reporter } from "../diagnostics/index.ts";
import type { Span } from "../ir/source.ts";
import type { Functions } from "./functions.ts";
import type { Block, Field, Fields, FieldValue, Kind } from "./field.ts";
import { ownEntry } from "./own.ts";

export interface Setting {
  /** Null: wrong, and already reported. */
  readonly value: FieldValue | null;
  /** Written `solve`: found by `match`. */
  readonly solve: boolean;
  readonly nameSpan: Span;
  readonly span: Span;
}

/** One block. */
export interface Settings {
  readonly kind: { readonly name: string; readonly span: Span } | null;
  readonly span: Span | null;
  readonly fields: Readonly<Record<string, Setting>>;
  readonly blocks: Readonly<Record<string, Settings>>;
  /** Something in it is wrong and reported: draw no conclusions from what seems to be missing. */
  readonly broken: boolean;
}

export const EMPTY: Settings = { kind: null, span: null, fields: {}, blocks: {}, broken: false };

/** What the phases of checking hand down. */
export interface Context {
  readonly report: Reporter;
  /** Places of syntax errors in all files read. */
  readonly damage: readonly Span[];
  readonly functions: Functions;
}

/** Stands in for every field written `solve` while a model is built. */
export interface BuildContext {
  readonly report: Reporter;
  readonly solve: number;
}

export const child = (settings: Settings, name: string): Settings => ownEntry(settings.blocks, name) ?? EMPTY;

export const kindName = (settings: Settings, block: Block): string | null => settings.kind?.name ?? block.defaultKind;

export function kindOf(settings: Settings, block: Block): Kind {
  const name = kindName(settings, block);
  return (name === null ? undefined : ownEntry(block.kinds, name)) ?? firstNamed(block);
}

/** For a block whose default kind follows from other fields, its fields are those of any kind that has some. */
const firstNamed = (block: Block): Kind =>
  Object.values(block.kinds).find((k) => Object.keys(k.fields).length > 0) ?? Object.values(block.kinds)[0]!;

export type Read<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** All fields of a block, defaults filled in; null if the block has an error (already reported). */
export function read<F extends Fields>(settings: Settings, kind: Kind<F>, context: BuildContext): Read<F> | null {
  if (settings.broken) return null;
  const out: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(kind.fields)) {
    const setting = ownEntry(settings.fields, name);
    if (setting !== undefined && !setting.solve && setting.value === null) return null;
    out[name] = setting === undefined ? field.default : setting.solve ? context.solve : setting.value;
  }
  return out as Read<F>;
}

/** Where a field was written, or where its block was, or the fallback. */
export const placeOf = (settings: Settings, name: string, fallback: Span): Span =>
  ownEntry(settings.fields, name)?.span ?? settings.span ?? fallback;

/** True if two spans share a character or touch. */
export const touches = (a: Span, b: Span): boolean => a.file === b.file && a.start <= b.end && b.start <= a.end;
