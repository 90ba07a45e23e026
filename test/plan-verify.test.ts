/** What every compilation checks of its own plan: each fault put in on purpose is found, and named. */
import { describe, expect, test } from "vitest";
import { compileModel } from "../compiler/compile.ts";
import { verifyPlan } from "../compiler/5-plan/verify.ts";
import type { Dispatch, KernelPlan } from "../compiler/ir/plan.ts";
import { ODD_MODELS } from "./support/odd-models.ts";

const plan = compileModel(ODD_MODELS["dense"]!, { batch: 2, seqLen: ODD_MODELS["dense"]!.seqLen, entries: ["evaluate"] });

const withLaunches = (change: (dispatches: readonly Dispatch[]) => readonly Dispatch[]): KernelPlan =>
  ({ ...plan, entries: { evaluate: { dispatches: change(plan.entries["evaluate"]!.dispatches) } } });
const last = (change: (d: Dispatch) => Dispatch): KernelPlan => withLaunches((all) => [...all.slice(0, -1), change(all.at(-1)!)]);
const reads = (d: Dispatch): number => plan.kernels[d.kernel]!.access.indexOf("read");
const writes = (d: Dispatch): number => plan.kernels[d.kernel]!.access.indexOf("read_write");

test("a sound plan has no problem", () => expect(verifyPlan(plan)).toEqual([]));

describe("a plan is refused in which a launch", () => {
  test.each<readonly [string, KernelPlan, RegExp]>([
    ["binds too few buffers", last((d) => ({ ...d, buffers: d.buffers.slice(1) })), /binds \d+ buffers for \d+ bindings/],
    ["binds a buffer that does not exist", last((d) => ({ ...d, buffers: d.buffers.with(0, 9999) })), /binds buffer 9999/],
    ["reads what it writes under another name", last((d) => ({ ...d, buffers: d.buffers.with(reads(d), d.buffers[writes(d)]!) })), /writes buffer \d+ and binds it twice/],
    ["has a size that is no count", last((d) => ({ ...d, sizes: [...d.sizes, 0.5] })), /sizes that are no counts/],
    ["has an empty grid", last((d) => ({ ...d, workgroups: [0, 1, 1] })), /a grid of 0 × 1 × 1/],
    ["reads an activation before it is made", withLaunches((all) => all.toReversed()), /reads buffer \d+ before anything is in it/],
    ["fills a tensor without a buffer", { ...plan, tensors: { ...plan.tensors, lost: { buffer: 9999, dtype: "f32", shape: [1], physical: [1] } } }, /tensor lost has no buffer/],
  ])("%s", (_, broken, problem) => expect(verifyPlan(broken).join("\n")).toMatch(problem));
});
