import { EnvironmentError } from "../errors.ts";
import type { DriverSource } from "./instance.ts";

export type AdapterKind = "gpu" | "cpu" | "lavapipe" | "swiftshader" | "null";

/** An adapter that could be used: who offers it and under which name. */
export interface Candidate {
  readonly source: DriverSource;
  readonly name: string;
  readonly kind: AdapterKind;
}

export interface Choice {
  readonly candidate: Candidate;
  /** One sentence for people: why this one. */
  readonly why: string;
}

export function kindOf(name: string): AdapterKind {
  if (/swiftshader/i.test(name)) return "swiftshader";
  if (/llvmpipe|lavapipe/i.test(name)) return "lavapipe";
  return name === "null" ? "null" : "gpu";
}

const REASON: Readonly<Record<AdapterKind, string>> = {
  gpu: "a GPU is preferred to every software driver",
  lavapipe: "no GPU was found, and lavapipe (Mesa) is the fastest software driver",
  swiftshader: "neither a GPU nor a usable lavapipe was found; SwiftShader needs nothing from the system",
  cpu: "no GPU was found, and WebAssembly on all cores is faster than a software driver",
  null: "the null adapter checks shaders and executes nothing",
};

const PREFERENCE: readonly AdapterKind[] = ["gpu", "cpu", "lavapipe", "swiftshader"];

/** What to try, in order: real GPUs, the processor, lavapipe, SwiftShader. Within a kind, the driver's own order. */
function preferred(candidates: readonly Candidate[]): readonly Choice[] {
  return PREFERENCE.flatMap((kind) => candidates.filter((candidate) => candidate.kind === kind)
    .map((candidate) => ({ candidate, why: REASON[kind] })));
}

export interface Request {
  /** A kind, or a part of an adapter's name in any case. */
  readonly name: string;
  /** Where it was said, for messages: "--adapter" or "MOEUT_ADAPTER". */
  readonly origin: string;
}

/** What to try, in order: all by preference, or those that the request names. */
export function choicesFrom(candidates: readonly Candidate[], request: Request | null): readonly Choice[] {
  if (request === null) return preferred(candidates);
  const wanted = request.name.toLowerCase();
  const byKind = candidates.filter((candidate) => candidate.kind === wanted);
  const matches = byKind.length > 0 ? byKind : candidates.filter((candidate) => candidate.name.toLowerCase().includes(wanted));
  if (matches.length === 0) {
    throw new EnvironmentError(`no adapter matches "${request.name}" (${request.origin}); ${available(candidates)}`);
  }
  return matches.map((candidate) => ({ candidate, why: `forced by ${request.origin} ${request.name}` }));
}

function available(candidates: readonly Candidate[]): string {
  const names = candidates.map((candidate) => (candidate.kind === "null" ? "null" : `${candidate.kind} "${candidate.name}"`));
  return `available here: ${names.join(", ")}`;
}
