/** The tree of settings of a whole model → ModelSpec. */
import type { ExpectAst, MatchAst, StackAst } from "../ir/ast.ts";
import type { EmbeddingSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec, Site } from "../ir/model-spec.ts";
import type { Span } from "../ir/source.ts";
import { printStack } from "../stack/text.ts";
import { buildCore, buildHalting } from "./core.ts";
import { EMBEDDING, HEAD, MODEL } from "./language.ts";
import { buildLayer, buildNorm } from "./layer.ts";
import { type BuildContext, child, read, type Settings } from "./settings.ts";
import { type Application, type Expanded, expandStack } from "./stack.ts";
import { buildTrain } from "./train.ts";

export interface LayerTree {
  readonly name: string;
  readonly span: Span;
  readonly settings: Settings;
  /** Declared by this model itself, not by one it inherits from. */
  readonly declared: boolean;
}

/** All that has been said about one model, `from` and `--set` applied. */
export interface ModelTree {
  readonly name: string;
  readonly span: Span;
  readonly nameSpan: Span;
  readonly file: string;
  readonly root: Settings;
  readonly layers: readonly LayerTree[];
  readonly stack: StackAst | null;
  readonly match: MatchAst | null;
  /** `match` is inherited, or `--set` may have given the solved field a number: it need not have anything to solve. */
  readonly matchOptional: boolean;
  /** The model's own claims; they are not inherited. */
  readonly expects: readonly ExpectAst[];
  /** Something around its statements is wrong and reported (unknown layer names, a broken parent, syntax errors). */
  readonly broken: boolean;
  /** Something in its statements or in what it inherits has been reported as an error: it can be examined further, but is no model. */
  readonly faulty: boolean;
}

/** Null if anything in it is wrong; then it has been reported. */
export function buildModel(tree: ModelTree, context: BuildContext): ModelSpec | null {
  const sizes = read(tree.root, MODEL, context);
  const train = buildTrain(child(tree.root, "train"), tree.span, context);
  const applications = applied(tree, context);
  const dModel = sizes?.d_model ?? null;
  const built = new Map(tree.layers.map((l) => [l.name, buildLayer(l.name, l.settings, { ...context, dModel, layerSpan: l.span })]));
  const halting = buildHalting(child(tree.root, "halting"), tree.span, context);
  const core = buildCore(child(tree.root, "core"), applications?.core ?? null, context);
  if (sizes === null || train === null || applications === null || tree.broken) return null;

  const { pools, schedule } = schedulePools(applications.applications);
  const layers = pools.map((p) => named(built.get(p.layer) ?? null, p));
  const whole = wholeBatches(layers.filter((layer) => layer !== null), train.accumulate, context);
  if (!layers.every((layer) => layer !== null) || !whole) return null;
  const embedding = buildEmbedding(child(tree.root, "embedding"), layers, sizes.d_model, context);
  const head = buildHead(child(tree.root, "head"), layers, context);
  if (embedding === null || head === null || halting === "broken" || core === "broken") return null;
  return {
    name: tree.name, span: tree.span, vocabSize: sizes.vocab_size, seqLen: sizes.seq_len, dModel: sizes.d_model,
    embedding, head, layers, schedule, stack: stackText(tree), core, halting, init: { scheme: sizes.init }, train,
  };
}

/** A term over the batch is not the sum of those over its parts. */
function wholeBatches(layers: readonly LayerSpec[], accumulate: number, { report }: BuildContext): boolean {
  if (accumulate === 1) return true;
  const terms = layers.flatMap(({ attention, feedForward }) =>
    [attention, feedForward].flatMap((part) => ("balance" in part && part.balance?.over === "batch" ? [part.balance] : [])));
  const places = terms.filter((term, i) => terms.findIndex((other) => other.span === term.span) === i);
  for (const { span, kind } of places) report.report("accumulated-balance", span, { kind, accumulate });
  return terms.length === 0;
}

const named = (spec: LayerSpec | null, { layer, copy }: Application): LayerSpec | null =>
  spec === null ? null : { ...spec, name: copy === null ? layer : `${layer}.${copy}` };

/** The stack as written, or every layer once. */
const stackText = (tree: ModelTree): string =>
  tree.stack === null ? tree.layers.map((l) => l.name).join(", ") : printStack(tree.stack.sequence);

function applied(tree: ModelTree, context: BuildContext): Expanded | null {
  const names = tree.layers.map((l) => l.name);
  if (names.length === 0) {
    if (!tree.broken) context.report.report("no-layers", tree.nameSpan, { name: tree.name });
    return null;
  }
  if (tree.stack === null) return { applications: names.map((layer) => ({ layer, copy: null })), core: null };
  return expandStack(tree.stack.sequence, names, tree.broken, context.report);
}

/** Distinct pools in the order of their first application, and where each is applied. */
function schedulePools(
  applications: readonly Application[],
): { readonly pools: readonly Application[]; readonly schedule: readonly Site[] } {
  const pools: Application[] = [];
  const uses: number[] = [];
  const index: Record<string, number> = {};
  const schedule = applications.map((application) => {
    const key = `${application.layer}.${application.copy ?? ""}`;
    if (index[key] === undefined) {
      index[key] = pools.length;
      pools.push(application);
      uses.push(0);
    }
    const layer = index[key];
    return { layer, pass: uses[layer]!++ };
  });
  return { pools, schedule };
}

const allPost = (layers: readonly LayerSpec[]): boolean => layers.every((layer) => layer.placement.stands === "after");

function buildEmbedding(settings: Settings, layers: readonly LayerSpec[], dModel: number, context: BuildContext): EmbeddingSpec | null {
  const fields = read(settings, EMBEDDING, context);
  const norm = buildNorm(child(settings, "norm"), null, context);
  if (fields === null || norm === "broken") return null;
  const scale = fields.scale ?? (allPost(layers) ? "sqrt_d_model" : 1);
  return { scale: scale === "sqrt_d_model" ? Math.sqrt(dModel) : scale, learnedPositions: fields.positions === "learned", norm };
}

function buildHead(settings: Settings, layers: readonly LayerSpec[], context: BuildContext): HeadSpec | null {
  const fields = read(settings, HEAD, context);
  const usual: NormSpec | null = allPost(layers) ? null : layers[0]!.norm;
  const norm = buildNorm(child(settings, "norm"), usual, context);
  return fields === null || norm === "broken" ? null : { norm, bias: fields.bias, tied: fields.tied };
}
