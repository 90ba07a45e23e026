/**
 * SpecAst: what the author wrote, with the place of everything. Nothing is resolved, defaulted or checked here.
 * A file is statements inside braces, whatever their meaning; which belong where is the checker's business.
 */
import type { Span } from "./source.ts";

export interface SpecAst {
  readonly file: string;
  readonly span: Span;
  readonly version: NumberAst | null;
  readonly imports: readonly ImportAst[];
  readonly models: readonly ModelAst[];
  readonly compares: readonly CompareAst[];
  /** Top-level statements: `fn`, `train`, and whatever the checker will refuse. */
  readonly statements: readonly StatementAst[];
  readonly comments: readonly CommentAst[];
  /** Places of syntax errors: what stands there is incomplete, so conclusions about the whole are not drawn. */
  readonly damage: readonly Span[];
}

export interface CommentAst {
  readonly span: Span;
  readonly text: string;
}

export interface NameAst {
  readonly text: string;
  readonly span: Span;
}

export interface NumberAst {
  readonly kind: "number";
  readonly value: number;
  /** As written: "10_000". */
  readonly text: string;
  readonly span: Span;
}

export type ValueAst =
  | NumberAst
  /** An identifier or a dotted path. */
  | { readonly kind: "word"; readonly text: string; readonly span: Span }
  | { readonly kind: "string"; readonly value: string; readonly text: string; readonly span: Span };

export interface ImportAst {
  readonly path: string;
  readonly pathSpan: Span;
  readonly span: Span;
}

export interface ModelAst {
  readonly name: NameAst;
  readonly from: NameAst | null;
  readonly body: BlockAst;
  readonly span: Span;
}

export interface CompareAst {
  readonly name: NameAst;
  readonly body: BlockAst;
  readonly span: Span;
}

export interface BlockAst {
  readonly statements: readonly StatementAst[];
  readonly span: Span;
}

export type StatementAst = EntryAst | FnAst | LayerAst | StackAst | ExpectAst | MatchAst | VaryAst;

/** `name values clauses { … }`: a field or a block. */
export interface EntryAst {
  readonly kind: "entry";
  readonly name: NameAst;
  readonly values: readonly ValueAst[];
  readonly clauses: readonly ClauseAst[];
  readonly block: BlockAst | null;
  readonly span: Span;
}

/** `at pre`, `on v, o`. */
export interface ClauseAst {
  readonly word: NameAst;
  readonly values: readonly ValueAst[];
  readonly span: Span;
}

/** `fn soft_cap(x, c) = c * tanh(x / c)` */
export interface FnAst {
  readonly kind: "fn";
  readonly word: Span;
  readonly name: NameAst;
  readonly params: readonly NameAst[];
  /** Null where the expression has a syntax error. */
  readonly body: ExprAst | null;
  readonly span: Span;
}

export type OperatorSign = "+" | "-" | "*" | "/";
export type ComparisonSign = "<" | "<=" | ">" | ">=";

export type ExprAst =
  | NumberAst
  | { readonly kind: "parameter"; readonly text: string; readonly span: Span }
  | { readonly kind: "negative"; readonly of: ExprAst; readonly span: Span }
  /** Signs of one precedence: `a - b + c`, from the left. */
  | {
    readonly kind: "chain"; readonly first: ExprAst;
    readonly rest: readonly { readonly sign: OperatorSign; readonly operand: ExprAst }[]; readonly span: Span;
  }
  | { readonly kind: "call"; readonly name: NameAst; readonly args: readonly ArgumentAst[]; readonly span: Span };

/** A comparison means something as the first argument of `where` only; its span is that of the sign. */
export type ArgumentAst =
  | ExprAst
  | {
    readonly kind: "comparison"; readonly sign: ComparisonSign; readonly left: ExprAst; readonly right: ExprAst; readonly span: Span;
  };

export interface LayerAst {
  readonly kind: "layer";
  readonly word: Span;
  /** null for `layer *`. */
  readonly names: readonly NameAst[] | null;
  readonly body: BlockAst;
  readonly span: Span;
}

export interface StackAst {
  readonly kind: "stack";
  readonly word: Span;
  readonly sequence: SequenceAst;
  readonly span: Span;
}

/** One after the other; `function` is a name in front of the parentheses (`own`), null without. */
export interface SequenceAst {
  readonly kind: "sequence";
  readonly items: readonly RepeatAst[];
  readonly span: Span;
}

export interface RepeatAst {
  readonly item:
    | { readonly kind: "layer"; readonly name: NameAst }
    | { readonly kind: "group"; readonly function: NameAst | null; readonly sequence: SequenceAst };
  /** null where nothing is written. */
  readonly times: NumberAst | null;
  readonly span: Span;
}

/** `expect params 44.3M +- 0.1M` */
export interface ExpectAst {
  readonly kind: "expect";
  readonly word: Span;
  readonly measure: NameAst;
  readonly value: NumberAst;
  readonly tolerance: NumberAst | null;
  readonly span: Span;
}

/** `match params moeut_44m by feed_forward.d_ff` */
export interface MatchAst {
  readonly kind: "match";
  readonly word: Span;
  readonly measure: NameAst;
  readonly model: NameAst | null;
  readonly by: NameAst | null;
  readonly span: Span;
}

/** `vary feed_forward.expert_size in 128, 256, 512` */
export interface VaryAst {
  readonly kind: "vary";
  readonly word: Span;
  readonly path: NameAst;
  readonly values: readonly ValueAst[];
  readonly span: Span;
}
