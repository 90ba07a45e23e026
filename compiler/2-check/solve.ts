/** `match` and `solve`: the whole number with which a count comes nearest to its target. */
import { createReporter, type Diagnostic, type Reporter } from "../diagnostics/index.ts";
import type { Measure } from "../counts/index.ts";
import { measure } from "../counts/index.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import type { Span } from "../ir/source.ts";
import type { Kind } from "./field.ts";
import { LAYER, MODEL } from "./language.ts";
import { buildModel, type ModelTree } from "./model.ts";
import { child, kindOf, type Settings } from "./settings.ts";
import { layersIn } from "../stack/text.ts";

/** A field written `solve`. One statement that applies to several layers is one field. */
export interface Unknown {
  /** "feed_forward.d_ff" */
  readonly path: string;
  readonly span: Span;
  readonly min: number;
  readonly max: number;
}

export function unknowns(tree: ModelTree): readonly Unknown[] {
  const names = new Set(tree.stack === null ? tree.layers.map((l) => l.name) : layersIn(tree.stack.sequence));
  const used = tree.layers.filter((l) => names.has(l.name));
  const all = [...within(tree.root, MODEL, ""), ...used.flatMap((layer) => within(layer.settings, LAYER, ""))];
  return [...new Map(all.reverse().map((u) => [`${u.span.start} ${u.span.file}`, u])).values()].reverse();
}

function within(settings: Settings, kind: Kind, prefix: string): Unknown[] {
  const here = Object.entries(settings.fields).flatMap(([name, setting]) => {
    const type = kind.fields[name]?.type;
    return setting.solve && type?.type === "int" ? [{ path: prefix + name, span: setting.span, min: type.min, max: type.max }] : [];
  });
  const below = Object.entries(kind.blocks).flatMap(([name, block]) => {
    const inner = child(settings, name);
    return within(inner, kindOf(inner, block), `${prefix}${name}.`);
  });
  return [...here, ...below];
}

interface Point {
  readonly value: number;
  readonly count: number;
}

/** Further than this from the target is worth a word. */
const FAR = 0.01;
/** A size may have to be a multiple of something; so many neighbours are tried. */
const STRIDE = 128;

/** The model with the solved value, or null (reported). */
export function solve(tree: ModelTree, unknown: Unknown, what: Measure, target: number, report: Reporter): ModelSpec | null {
  const at = (value: number): Point | null => {
    const model = buildModel(tree, { report: createReporter(), solve: value });
    return model === null ? null : { value, count: measure(model, what) };
  };
  const low = smallest(unknown, at);
  if (low === null) return reportInfeasible(tree, unknown, report);
  const best = nearestPoint(low, unknown, target, at);
  const field = unknown.path;
  const off = Math.abs(best.count - target) / target;
  if (off > FAR && at(unknown.max)?.count === low.count) {
    report.report("match-inert", unknown.span, { field, measure: what });
    return null;
  }
  const isOutside = best.value === low.value ? best.count > target
    : best.count < target && next(best.value + 1, unknown.max, at) === null;
  if (off > FAR && isOutside) {
    report.report("match-impossible", unknown.span, { field, measure: what, target, value: best.value, nearest: best.count });
    return null;
  }
  const facts = { field, value: best.value, measure: what, target, actual: best.count };
  if (off > FAR) report.report("match-far", unknown.span, { model: tree.name, ...facts });
  else report.report("solved", unknown.span, { model: tree.name, ...facts });
  return buildModel(tree, { report, solve: best.value });
}

type At = (value: number) => Point | null;

/** The first valid value from `value` on, among its neighbours. */
function next(value: number, limit: number, at: At): Point | null {
  for (let v = value; v <= Math.min(limit, value + STRIDE); v++) {
    const point = at(v);
    if (point !== null) return point;
  }
  return null;
}

/** The smallest valid value: top_k experts, for instance. */
function smallest({ min, max }: Unknown, at: At): Point | null {
  let below = min - 1;
  for (let step = 0; min + step <= max; step = step === 0 ? 1 : 2 * step) {
    const found = next(min + step, max, at);
    if (found !== null) return lowest(below, found, at);
    below = min + step;
  }
  return null;
}

function lowest(below: number, found: Point, at: At): Point {
  let [invalid, valid] = [below, found];
  while (valid.value - invalid > 1) {
    const middle = Math.floor((invalid + valid.value) / 2);
    const point = at(middle);
    if (point === null) invalid = middle;
    else valid = point;
  }
  return valid;
}

/** Counts grow with the value: doubling, then halving the interval around the target. */
function nearestPoint(low: Point, { max }: Unknown, target: number, at: At): Point {
  let [under, over] = [low, low];
  for (let step = 1; over.count < target && over.value < max; step *= 2) {
    const found = next(Math.min(max, low.value + step), max, at);
    if (found === null) break;
    [under, over] = [over, found];
  }
  // From `bound` up to over.value nothing is valid.
  for (let bound = over.value; bound - under.value > 1; ) {
    const middle = Math.floor((under.value + bound) / 2);
    const point = next(middle, bound - 1, at);
    if (point !== null && point.count < target) under = point;
    else {
      over = point ?? over;
      bound = middle;
    }
  }
  return Math.abs(over.count - target) < Math.abs(under.count - target) ? over : under;
}

/** What is wrong whatever the value is; if that is nothing, there is no value. */
function reportInfeasible(tree: ModelTree, unknown: Unknown, report: Reporter): null {
  const runs = [unknown.min, 64, 4096].map((value) => {
    const trial = createReporter();
    buildModel(tree, { report: trial, solve: value });
    return trial.all;
  });
  const key = (d: Diagnostic): string => `${d.code} ${d.span?.start} ${d.message}`;
  const always = runs[0]!.filter((d) => d.severity === "error" && runs.every((run) => run.some((other) => key(other) === key(d))));
  for (const diagnostic of always) report.add(diagnostic);
  if (always.length > 0) return null;
  const problem = runs[0]!.find((d) => d.severity === "error");
  if (!tree.broken && problem !== undefined) report.report("match-infeasible", unknown.span, {
    field: unknown.path, value: unknown.min, problem: problem.message,
  });
  return null;
}
