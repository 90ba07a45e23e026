/** A model as one SVG: the stack, the wiring of its layers, and where its parameters and its work are. */
import { specHash } from "../format/index.ts";
import type { LayerSpec, ModelSpec } from "../ir/model-spec.ts";
import { numberText } from "../ir/number-text.ts";
import { baseName } from "./fold.ts";
import { CARD, drawLayer } from "./layer.ts";
import { drawShares } from "./shares.ts";
import { drawRibbon, drawStack, layerNames } from "./stack.ts";
import { at, below, page, type Piece, text } from "./svg.ts";

const MARGIN = 28;
const GAP = 20;

/** Light or dark as the reader's system is. */
export function drawModel(model: ModelSpec): string {
  const stack = drawStack(model);
  const cards = below(kindsOf(model).map(({ layer, names }) => drawLayer(layer, names, layerNames(model))), GAP);
  const width = 2 * MARGIN + stack.width + GAP + CARD;
  const inner = width - 2 * MARGIN;
  const middle: Piece = {
    svg: at(0, 0, stack.svg) + at(stack.width + GAP, 0, cards.svg), width: inner, height: Math.max(stack.height, cards.height),
  };
  const all = below([drawTitle(model, inner), drawRibbon(model, inner), middle, drawShares(model, inner)], GAP);
  return page({ svg: at(MARGIN, MARGIN, all.svg), width, height: all.height + 2 * MARGIN }, `${model.name}: ${model.stack}`);
}



function drawTitle(model: ModelSpec, width: number): Piece {
  const { name, stack, dModel, seqLen, vocabSize, halting } = model;
  const facts = [
    `stack ${stack}`, `d_model ${dModel}`, `seq_len ${seqLen}`, `vocabulary ${numberText(vocabSize)}`,
    ...(halting === null ? [] : [`halting ${halting.kind}`]), `hash ${specHash(model)}`,
  ].join(" · ");
  return { svg: text(0, 18, name, { size: 20, within: width }) + text(0, 40, facts, { kind: "dim", within: width }), width, height: 46 };
}

interface KindOfLayer {
  readonly layer: LayerSpec;
  readonly names: readonly string[];
}

/** Layers that are set up alike share a card. */
function kindsOf(model: ModelSpec): readonly KindOfLayer[] {
  const look = (layer: LayerSpec): string =>
    JSON.stringify({ ...layer, name: "" }, (key, value: unknown) => (key === "span" ? undefined : value));
  const kinds = new Map<string, { readonly layer: LayerSpec; readonly names: Set<string> }>();
  for (const layer of model.layers) {
    const key = look(layer);
    const kind = kinds.get(key) ?? { layer, names: new Set() };
    kinds.set(key, kind);
    kind.names.add(baseName(layer.name));
  }
  return [...kinds.values()].map(({ layer, names }) => ({ layer, names: [...names] }));
}
