/** What is said about depth: how a recurrent core is entered, and when tokens leave it. */
import type { CoreSpec, CoreState, HaltingSpec, PassEmbeddingSpec } from "../ir/model-spec.ts";
import type { Span } from "../ir/source.ts";
import { unreachable } from "../ir/tensor-type.ts";
import { ACT, CORE, GRAVES, NORMAL, SINUSOIDAL } from "./language.ts";
import { ownEntry } from "./own.ts";
import { type BuildContext, child, kindName, read, type Settings } from "./settings.ts";
import type { CoreRange } from "./stack.ts";

/** @param range null where the stack has no core; then what its block says means nothing (see lint.ts) */
export function buildCore(settings: Settings, range: CoreRange | null, context: BuildContext): CoreSpec | null | "broken" {
  const fields = read(settings, CORE, context);
  const state = buildState(child(settings, "state"), context);
  const passEmbedding = buildPassEmbedding(child(settings, "pass_embedding"), context);
  if (fields === null || state === "broken" || passEmbedding === "broken") return "broken";
  if (range === null) return null;
  if (state.kind !== "input" && fields.inject === "none") {
    const written = ownEntry(settings.fields, "inject");
    context.report.report(
      "core-without-input", child(settings, "state").kind?.span ?? range.span, { state: state.kind },
      written === undefined ? [] : [{ span: written.span, note: "nothing is injected here" }],
    );
    return "broken";
  }
  return { ...range, inject: fields.inject, state, passEmbedding };
}

function buildState(settings: Settings, context: BuildContext): CoreState | "broken" {
  if (settings.broken) return "broken";
  const kind = kindName(settings, CORE.blocks["state"]!) as CoreState["kind"];
  if (kind !== "normal") return { kind };
  const fields = read(settings, NORMAL, context);
  return fields === null ? "broken" : { kind, std: fields.std };
}

function buildPassEmbedding(settings: Settings, context: BuildContext): PassEmbeddingSpec | null | "broken" {
  if (settings.broken) return "broken";
  const kind = kindName(settings, CORE.blocks["pass_embedding"]!);
  if (kind === "none") return null;
  if (kind === "learned") return { kind };
  const fields = read(settings, SINUSOIDAL, context);
  return fields === null ? "broken" : { kind: "sinusoidal", ...fields };
}

export function buildHalting(settings: Settings, fallback: Span, context: BuildContext): HaltingSpec | null | "broken" {
  if (settings.broken) return "broken";
  const span = settings.span ?? fallback;
  if (settings.kind === null || settings.kind.name === "none") return null;
  const kind = settings.kind.name as HaltingSpec["kind"];
  switch (kind) {
    case "act": {
      const fields = read(settings, ACT, context);
      return fields === null ? "broken" : { kind, span, ...fields };
    }
    case "graves": {
      const fields = read(settings, GRAVES, context);
      return fields === null ? "broken" : { kind, span, ...fields };
    }
    default: return unreachable(kind);
  }
}
