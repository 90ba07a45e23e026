/** Depths at which a trained model is measured. */
import type { ModelSpec } from "../../compiler/ir/model-spec.ts";
import { withPasses } from "../../compiler/stack/depth.ts";

/** A depth at which the model is measured, or why it cannot be; `passes` is null for the depth that it was trained with. */
export type Depth = { readonly passes: number | null } & ({ readonly model: ModelSpec } | { readonly problem: string });

/** @param passes of `--passes`, or undefined: as it was trained */
export function depthsOf(model: ModelSpec, passes: readonly number[] | undefined): readonly Depth[] {
  if (passes === undefined) return [{ passes: null, model }];
  return passes.map((n) => {
    const changed = withPasses(model, n);
    return "problem" in changed ? { passes: n, problem: `--passes ${n}: ${changed.problem}` } : { passes: n, model: changed };
  });
}

/** Why some of them cannot be. */
export const problemsOf = (depths: readonly Depth[]): readonly string[] =>
  depths.flatMap((depth) => ("problem" in depth ? [depth.problem] : []));
