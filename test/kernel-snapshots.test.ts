/** Emitted kernels as they are, one of each family, so that a review sees what a change does to them; `npx vitest -u` writes them anew. */
import { expect, test } from "vitest";
import { PORTABLE, profileFor } from "../compiler/5-plan/index.ts";
import { compileModel } from "../compiler/compile.ts";
import type { Profile } from "../compiler/ir/plan.ts";
import { times, wgsl } from "../compiler/kernels/text.ts";
import { layer, model, scheduleOf } from "./support/models.ts";
import { D, dense, mha, moe, switchhead, T, V } from "./support/odd-models.ts";

const SUBGROUPS = profileFor({ kind: "gpu", subgroups: true, subgroupMin: 32, subgroupMax: 32 });
const LAYERS = [layer("a", switchhead(["v", "o"]), moe(), "peri"), layer("b", mha(), dense("gelu"), "peri")];
const SPEC = model({ layers: LAYERS, schedule: scheduleOf([0, 1]), vocabSize: V, seqLen: T, dModel: D });

/** The kernel of the first launch whose label says so. */
const LAUNCHES: Readonly<Record<string, { readonly label: string; readonly profiles: readonly Profile[] }>> = {
  matmul_with_epilogue: { label: "matmul b.feed_forward.up", profiles: [PORTABLE, SUBGROUPS] },
  expert_matmul: { label: "expertMatmul a.feed_forward.up", profiles: [PORTABLE, SUBGROUPS] },
  attention: { label: "attention b.attention.z", profiles: [PORTABLE, SUBGROUPS] },
  rows_of_a_norm: { label: "a.norm_attention.sum, a.norm_attention.square_sum, a.norm_attention", profiles: [PORTABLE, SUBGROUPS] },
  top_k: { label: "topK a.feed_forward.router.selection", profiles: [PORTABLE] }, // the same text for all profiles
};

const CASES = Object.entries(LAUNCHES).flatMap(([name, { label, profiles }]) => profiles.map((profile) => ({ name, label, profile })));

test.each(CASES)("$name, $profile.name", async ({ name, label, profile }) => {
  const { entries, kernels } = compileModel(SPEC, { batch: 2, seqLen: T, entries: ["train"], profile });
  const launch = entries["train"]!.dispatches.find((dispatch) => dispatch.label === label);
  expect(launch, `no launch is labelled ${label}`).toBeDefined();
  await expect(kernels[launch!.kernel]!.wgsl).toMatchFileSnapshot(`kernels/${name}.${profile.name}.wgsl`);
});

test("a template begins at column 0 and nests the lines of its values; what is empty leaves no line", () => {
  const loop = wgsl`
      for (;;) {
        ${times(2, (i) => `a${i}();`)}

        ${""}
      }
  `;
  expect(wgsl`
    if (x) { ${"y();"} }
    {
      ${loop}
    }
  `).toBe("if (x) { y(); }\n{\n  for (;;) {\n    a0();\n    a1();\n  }\n}");
  expect(wgsl`${""}`).toBe("");
});
