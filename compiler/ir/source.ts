/** A half-open range of UTF-16 code units in one source file. */
export interface Span {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** One file's text with the name shown in diagnostics. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** Where a graph node or kernel comes from: a dotted path in the model ("a.feed_forward.up") and the spec text behind it. */
export interface Origin {
  readonly path: string;
  readonly span: Span | null;
}
