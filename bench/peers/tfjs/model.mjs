/**
 * The models of the benchmark as a user of TensorFlow.js writes them. It has no grouped product: all experts are computed in one product, and
 * the gates of those that were not chosen are 0.
 */
import * as tf from "@tensorflow/tfjs";

/** @param p name → tensor  @returns logits [B, T, V] and the balance loss */
export function forward(spec, p, tokens) {
  const tables = positionTables(spec);
  const loads = new Map();
  let x = product(tf.oneHot(tokens, spec.vocabSize), p.embedding); // the gradient of a gather has no kernel in WebAssembly
  for (const { layer: index } of spec.schedule) {
    const layer = spec.layers[index];
    x = x.add(attention(layer, p, x, loads, tables));
    x = x.add(feedForward(layer, p, x, loads));
  }
  return { logits: linear(norm(p, "head.norm", x), p.head).add(p["head.bias"]), balance: balanceLoss(loads) };
}

/** x [..., in] · w [in, out] */
const product = (x, w) => tf.matMul(x.reshape([-1, w.shape[0]]), w).reshape([...x.shape.slice(0, -1), w.shape[1]]);

/** x [..., in], weight [..., in] → [..., out]; the weight's leading axes are taken as one. */
function linear(x, weight) {
  const inner = weight.shape.at(-1);
  return tf.matMul(x.reshape([-1, inner]), weight.reshape([-1, inner]), false, true).reshape([...x.shape.slice(0, -1), weight.size / inner]);
}

function norm(p, name, x) {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(p[`${name}.weight`]).add(p[`${name}.bias`]);
}

function attention(layer, p, x, loads, tables) {
  const { name, attention: spec } = layer;
  const [batch, length, width] = x.shape;
  const { nHeads: heads, dHead, nExperts } = spec;
  const weight = (role) => p[`${name}.attention.${role}`];
  const normed = norm(p, `${name}.norm_attention`, x);
  const project = (role) => linear(normed, weight(role)).reshape([batch, length, heads, dHead]);
  const [q, k] = [rotate(project("q"), tables), rotate(project("k"), tables)];
  if (spec.kind !== "switchhead") {
    const z = attend(q, k, project("v"), tables).reshape([batch, length, heads * dHead]);
    return linear(z, weight("o").reshape([width, heads * dHead]));
  }
  const columns = heads * nExperts * dHead;
  const gated = (role) => gates(p, `${name}.attention.router_${role}`, normed, spec, loads); // [B, T, H, E, 1]
  const values = product(x, weight("v").transpose([1, 0, 2]).reshape([width, columns]));
  const v = values.reshape([batch, length, heads, nExperts, dHead]).mul(gated("v")).sum(3);
  const z = attend(q, k, v, tables).reshape([batch, length, heads, 1, dHead]).mul(gated("o"));
  return product(z.reshape([batch, length, columns]), weight("o").reshape([columns, width]));
}

/** Causal softmax attention of [B, T, H, Dh]. */
function attend(q, k, v, { mask }) {
  const [queries, keys, values] = [q, k, v].map((t) => t.transpose([0, 2, 1, 3]));
  const scores = tf.matMul(queries, keys, false, true).div(Math.sqrt(q.shape[3])).add(mask);
  return tf.matMul(tf.softmax(scores), values).transpose([0, 2, 1, 3]);
}

function feedForward(layer, p, x, loads) {
  const { name, feedForward: spec } = layer;
  const [batch, length, width] = x.shape;
  const weight = (role) => p[`${name}.feed_forward.${role}`];
  const normed = norm(p, `${name}.norm_feed_forward`, x);
  if (spec.kind === "dense") return linear(linear(normed, weight("up")).add(weight("up.bias")).relu(), weight("down")).add(weight("down.bias"));
  const columns = spec.nExperts * spec.expertSize;
  const gate = gates(p, `${name}.feed_forward.router`, normed, spec, loads).reshape([batch, length, spec.nExperts, 1]);
  const hidden = product(x, weight("up").transpose([1, 0, 2]).reshape([width, columns])).relu();
  const gated = hidden.reshape([batch, length, spec.nExperts, spec.expertSize]).mul(gate);
  return product(gated.reshape([batch, length, columns]), weight("down").reshape([columns, width]));
}

/** Sigmoid of the chosen logits, 0 for all others: [B, T, H, E, 1]. The mean distribution of each sequence is kept for the balance loss. */
function gates(p, name, normed, spec, loads) {
  const logits = linear(normed, p[name]).reshape([...normed.shape.slice(0, 2), -1, spec.nExperts]);
  const kept = loads.get(name) ?? { weight: spec.balance.weight, means: [] };
  kept.means.push(tf.softmax(logits).mean(1));
  loads.set(name, kept);
  return tf.sigmoid(logits).mul(chosenOnes(spec.topK)(logits)).expandDims(-1);
}

/** 1 where an expert is among the first of its row, else 0; without a gradient, which `topk` has not. */
const chosenOnes = (k) => tf.customGrad((logits) => {
  const ones = tf.oneHot(tf.topk(logits, k).indices, logits.shape.at(-1)).sum(-2).cast("float32");
  return { value: ones, gradFunc: () => tf.zerosLike(ones) };
});

/** Σ weight · mean of Σ P log P; P is the mean distribution of a sequence over all applications of a router. */
function balanceLoss(loads) {
  const terms = [...loads.values()].map(({ weight, means }) => {
    const distribution = tf.addN(means).div(means.length);
    return distribution.mul(tf.log(tf.maximum(distribution, 1e-30))).sum(-1).mean().mul(weight);
  });
  return terms.length === 0 ? tf.scalar(0) : tf.addN(terms);
}

/** Pairs (j, j + half) of the first channels are rotated: [B, T, H, Dh]. */
function rotate(x, { cos, sin, half }) {
  const [first, second, rest] = tf.split(x, [half, half, x.shape[3] - 2 * half], -1);
  return tf.concat([first.mul(cos).sub(second.mul(sin)), second.mul(cos).add(first.mul(sin)), rest], -1);
}

/** cos and sin [T, 1, half]; mask [T, T] is −10⁹ where a key lies behind its query. */
function positionTables({ seqLen, layers: [{ attention: { rope: { nRotate, base } } }] }) {
  const half = nRotate / 2;
  const fill = (shape, value) => tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => value(i)), shape);
  const angle = (i) => Math.floor(i / half) * base ** (-(i % half) / half);
  const mask = fill([seqLen, seqLen], (i) => (i % seqLen > Math.floor(i / seqLen) ? -1e9 : 0));
  return { cos: fill([seqLen, 1, half], (i) => Math.cos(angle(i))), sin: fill([seqLen, 1, half], (i) => Math.sin(angle(i))), half, mask };
}
