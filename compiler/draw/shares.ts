/** Where the parameters and the work of a model are, as bars of equal length. */
import { attentionMacs, breakdown, countConventions, countMacs, feedForwardMacs, injectionMacs } from "../counts/index.ts";
import { count } from "../diff/words.ts";
import type { ModelSpec } from "../ir/model-spec.ts";
import { at, below, box, partClass, type Piece, text, widthOf } from "./svg.ts";

interface Share {
  readonly part: string;
  readonly count: number;
}

const BAR = 24;

export function drawShares(model: ModelSpec, width: number): Piece {
  const { params, macs } = countConventions(model);
  const parameters = `parameters ${count(params.unique)}: active for one token ${count(params.active)}, `
    + `effective (every application its own) ${count(params.effective)}`;
  const work = `multiply-accumulates per token, forward: ${count(macs.forward.causal)} `
    + `(${count(macs.forward.moeut)} as the MoEUT paper counts, without the head)`;
  return below([bar(parameters, breakdown(model), width), bar(work, macShares(model), width)], 16);
}

/** Per token, with the head, over the pairs of positions that see each other. */
function macShares(model: ModelSpec): readonly Share[] {
  const { seqLen: T, dModel: D } = model;
  const sum = (of: (layer: ModelSpec["layers"][number]) => number): number =>
    model.schedule.reduce((total, site) => total + of(model.layers[site.layer]!), 0);
  const attention = sum((layer) => attentionMacs(layer.attention, D, T, "full")) / T;
  const feedForward = sum((layer) => feedForwardMacs(layer.feedForward, D));
  const head = D * model.vocabSize;
  const injection = injectionMacs(model);
  const other = countMacs(model).perToken.full - attention - feedForward - head - injection;
  return Object.entries({ attention, feed_forward: feedForward, head, core: injection, halting: other })
    .map(([part, count]) => ({ part, count })).filter((share) => share.count > 0.5).sort((a, b) => b.count - a.count);
}

function bar(title: string, shares: readonly Share[], width: number): Piece {
  const total = shares.reduce((sum, share) => sum + share.count, 0);
  let x = 0;
  const segments = shares.map(({ part, count: n }) => {
    const wide = (n / total) * width;
    const svg = box(Math.min(x, width - 1), 20, Math.max(1, wide - 1), BAR, partClass(part), { rx: 2, "fill-opacity": 0.75 });
    x += wide;
    return svg;
  });
  const legend = drawLegend(shares, total, width);
  return {
    svg: text(0, 12, title, { within: width }) + segments.join("") + at(0, 20 + BAR + 6, legend.svg), width,
    height: 26 + BAR + legend.height,
  };
}

function drawLegend(shares: readonly Share[], total: number, width: number): Piece {
  let [x, y] = [0, 0];
  const drawn = shares.map(({ part, count: n }) => {
    const words = `${part} ${count(n)}, ${((100 * n) / total).toFixed(1)} %`;
    const wide = 16 + widthOf(words, 11) + 14;
    if (x > 0 && x + wide > width) [x, y] = [0, y + 18];
    const svg = box(x, y + 3, 10, 10, partClass(part), { rx: 2, "fill-opacity": 0.75 }) + text(x + 16, y + 12, words, { size: 11 });
    x += wide;
    return svg;
  });
  return { svg: drawn.join(""), width, height: y + 18 };
}
