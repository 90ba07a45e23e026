/**
 * Texts that are nearly specs: whatever a file says, there is an answer, soon; and what is accepted can be built. See support/fuzz.ts for
 * longer runs.
 */
import { expect, test } from "vitest";
import { compileModel, isCausal } from "../compiler/compile.ts";
import { breakdown, countMacs, countParams } from "../compiler/counts/index.ts";
import { renderDiagnostics } from "../compiler/diagnostics/index.ts";
import { diffModels } from "../compiler/diff/index.ts";
import { drawModel } from "../compiler/draw/index.ts";
import { format, printSpec, specHash } from "../compiler/format/index.ts";
import { checkSource, type CheckResult } from "../compiler/front.ts";
import type { KernelPlan } from "../compiler/ir/plan.ts";
import type { ModelSpec } from "../compiler/ir/model-spec.ts";
import { checkText, withoutSpans } from "./support/corpus.ts";
import { type Dice, fuzz } from "./support/fuzz.ts";
import { smallerInput, type SpecInput, specInput } from "./support/spec-fuzz.ts";

const check = ({ text, imports, overrides }: SpecInput): CheckResult =>
  checkSource({ file: "main.moeut", text }, {
    overrides, readFile: (path) => (Object.hasOwn(imports, path) ? { file: path, text: imports[path]! } : { problem: "no such file" }),
  });

const isError = ({ severity }: { readonly severity: string }): boolean => severity === "error";

function examine(input: SpecInput, dice: Dice): string {
  const result = check(input);
  examineMessages(result);
  examineFormat(input, result);
  if (result.diagnostics.some(isError)) return "refused";
  const models = [...result.models, ...result.compares.flatMap(({ variants }) => variants.map(({ model }) => model))];
  const some = [...new Set([0, models.length - 1, dice.below(models.length + 1)])].flatMap((i) => models[i] ?? []);
  for (const model of some) examineModel(model);
  if (some.length > 1) diffModels(some[0]!, some[1]!);
  // Planning takes a hundred times as long as all the rest.
  const buildable = some.filter((model) => model.schedule.length <= 20);
  if (buildable.length === 0 || !dice.once(8)) return "accepted";
  examinePlan(dice.pick(buildable));
  return "accepted and planned";
}

/** Messages render, and point into the texts they are about. */
function examineMessages({ diagnostics, sources }: CheckResult): void {
  renderDiagnostics(diagnostics, sources, { color: true });
  for (const { span, labels, message } of diagnostics) {
    for (const place of [...(span === null ? [] : [span]), ...labels.map((label) => label.span)]) {
      const source = sources.find(({ file }) => file === place.file);
      if (source === undefined || place.start < 0 || place.end < place.start || place.end > source.text.length)
        throw new Error(`a message points nowhere: ${message} ${JSON.stringify(place)}`);
    }
  }
}

/** One layout for a text: laying out again changes nothing, and the models stay what they were. */
function examineFormat({ text, imports, overrides }: SpecInput, before: CheckResult): void {
  const laidOut = format({ file: "main.moeut", text });
  if (format({ file: "main.moeut", text: laidOut }) !== laidOut) throw new Error("not idempotent");
  if (laidOut === text) return;
  const after = check({ text: laidOut, imports, overrides });
  expect(withoutSpans([after.models, after.compares])).toEqual(withoutSpans([before.models, before.compares]));
}

/** Its resolved form has the same meaning; it is counted, and drawn. */
function examineModel(model: ModelSpec): void {
  const text = printSpec(model);
  const again = checkText(text);
  expect(again.diagnostics.filter(isError), text).toEqual([]);
  expect(withoutSpans(again.models[0])).toEqual(withoutSpans(model));
  expect(specHash(again.models[0]!)).toBe(specHash(model));
  expect(format({ file: "", text })).toBe(text);
  const { total, active } = countParams(model);
  const counts = [total, total - active, countMacs(model).full, ...breakdown(model).map(({ count }) => count)];
  if (!counts.every((count) => Number.isFinite(count) && count >= 0)) throw new Error(`counts that are none: ${counts.join(", ")}`);
  if (/NaN|undefined|Infinity/.test(drawModel(model))) throw new Error("a picture with holes");
}

/** On the longest context that is quick to plan; sizes of buffers and launches are numbers. */
function examinePlan(model: ModelSpec): void {
  const seqLen = Math.min(model.seqLen, 16);
  const entries = ["train", "update", "evaluate", ...(isCausal(model) ? ["prefill", "decode"] as const : [])] as const;
  const plan: KernelPlan = compileModel(model, { batch: Math.min(3, model.train.batch), seqLen, entries });
  const sizes = [
    ...plan.buffers.map(({ bytes }) => bytes),
    ...Object.values(plan.entries).flatMap(({ dispatches }) => dispatches.flatMap((d) => [...d.sizes, ...d.workgroups])),
  ];
  const wrong = sizes.find((size) => !Number.isSafeInteger(size) || size < 0);
  if (wrong !== undefined) throw new Error(`a size of ${wrong}`);
}

test("nearly specs", async () => {
  const outcomes = await fuzz({ inputOf: specInput, examine, smaller: smallerInput, usual: 250 });
  console.info(`spec fuzzer: ${Object.entries(outcomes).map(([what, count]) => `${count} ${what}`).join(", ")}`);
}, 2_147_483_647);
