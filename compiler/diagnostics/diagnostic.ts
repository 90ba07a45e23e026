/** What one finding is. */
import type { Span } from "../ir/source.ts";
import type { Code } from "./catalogue.ts";
import type { Severity } from "./entry.ts";

/** A second place that belongs to the story: "8 experts declared here". */
export interface Label {
  readonly span: Span;
  readonly note: string;
}

/** One finding, complete in itself: plain data, ready for JSON. */
export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  /** "" where there is nothing to add. */
  readonly hint: string;
  /** The smallest wrong range; null for findings about no text (a missing file). */
  readonly span: Span | null;
  readonly labels: readonly Label[];
  /** Names of the models (or compare) that it is about; none where it is about the file as a whole. */
  readonly models: readonly string[];
}
