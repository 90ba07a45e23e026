/**
 * The models of the benchmark as a jax-js user writes them: pure functions of a tree of parameters, made for jit and grad.
 * Functions own their arguments, as everywhere in jax-js; `.ref` keeps one for later.
 *
 * jax-js has no grouped product, every shape is fixed under jit, and the gradient of a gather passes it only in simple cases: so all experts
 * are computed in one product, and the gates of those that were not chosen are 0.
 */
import { lax, nn, numpy as np } from "@jax-js/jax";

/** @param p name → array; borrowed  @returns logits [B, T, V] and the balance loss */
export function forward(spec, p, tokens) {
  const tables = rotaryTables(spec);
  const loads = new Map();
  let x = np.matmul(nn.oneHot(tokens, spec.vocabSize), p.embedding.ref); // rather than `take`, whose gradient does not pass jit here
  for (const { layer: index } of spec.schedule) {
    const layer = spec.layers[index];
    x = x.ref.add(attention(layer, p, x, loads, tables));
    x = x.ref.add(feedForward(layer, p, x, loads));
  }
  const normed = norm(p, "head.norm", x);
  return { logits: linear(normed, p.head.ref).add(p["head.bias"].ref), balance: balanceLoss(loads) };
}

const norm = (p, name, x) => nn.standardize(x, -1, { epsilon: 1e-5 }).mul(p[`${name}.weight`].ref).add(p[`${name}.bias`].ref);

/** x [..., in], weight [..., in] → [..., out]; the weight's leading axes are taken as one. */
const linear = (x, weight) => np.matmul(x, np.transpose(weight.reshape([-1, weight.shape.at(-1)])));

function attention(layer, p, x, loads, tables) {
  const { name, attention: spec } = layer;
  const [batch, length, width] = x.shape;
  const { nHeads: heads, dHead } = spec;
  const weight = (role) => p[`${name}.attention.${role}`].ref;
  const normed = norm(p, `${name}.norm_attention`, x.ref);
  const project = (role) => linear(normed.ref, weight(role)).reshape([batch, length, heads, dHead]);
  const [q, k] = [rotate(project("q"), tables), rotate(project("k"), tables)];
  if (spec.kind !== "switchhead") {
    const z = nn.dotProductAttention(q, k, project("v"), { isCausal: true });
    normed.dispose();
    x.dispose();
    return linear(z.reshape([batch, length, heads * dHead]), weight("o").reshape([width, heads * dHead]));
  }
  const experts = heads * spec.nExperts;
  const valueGates = gates(p, `${name}.attention.router_v`, normed.ref, spec, loads); // [B, T, H, E, 1]
  const outputGates = gates(p, `${name}.attention.router_o`, normed, spec, loads);
  const values = np.matmul(x, np.transpose(weight("v"), [1, 0, 2]).reshape([width, experts * dHead]));
  const v = values.reshape([batch, length, heads, spec.nExperts, dHead]).mul(valueGates).sum(3);
  const z = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([batch, length, heads, 1, dHead]);
  return np.matmul(z.mul(outputGates).reshape([batch, length, experts * dHead]), weight("o").reshape([experts * dHead, width]));
}

function feedForward(layer, p, x, loads) {
  const { name, feedForward: spec } = layer;
  const [batch, length, width] = x.shape;
  const weight = (role) => p[`${name}.feed_forward.${role}`].ref;
  const normed = norm(p, `${name}.norm_feed_forward`, x.ref);
  if (spec.kind === "dense") {
    x.dispose();
    const hidden = nn.relu(linear(normed, weight("up")).add(weight("up.bias")));
    return linear(hidden, weight("down")).add(weight("down.bias"));
  }
  const { nExperts, expertSize } = spec;
  const gate = gates(p, `${name}.feed_forward.router`, normed, spec, loads).reshape([batch, length, nExperts, 1]);
  const up = np.transpose(weight("up"), [1, 0, 2]).reshape([width, nExperts * expertSize]);
  const hidden = nn.relu(np.matmul(x, up)).reshape([batch, length, nExperts, expertSize]).mul(gate);
  return np.matmul(hidden.reshape([batch, length, nExperts * expertSize]), weight("down").reshape([nExperts * expertSize, width]));
}

/** Sigmoid of the chosen logits, 0 for all others: [B, T, H, E, 1]. The mean distribution of each sequence is kept for the balance loss. */
function gates(p, name, normed, spec, loads) {
  const [batch, length] = normed.shape;
  const logits = linear(normed, p[name].ref).reshape([batch, length, -1, spec.nExperts]);
  const kept = loads.get(name) ?? { weight: spec.balance.weight, means: [] };
  kept.means.push(nn.softmax(logits.ref, -1).mean(1));
  loads.set(name, kept);
  const [values, indices] = lax.topK(lax.stopGradient(logits.ref), spec.topK);
  values.dispose();
  const chosen = nn.oneHot(indices, spec.nExperts).sum(-2);
  return nn.sigmoid(logits).mul(chosen).reshape([batch, length, -1, spec.nExperts, 1]);
}

/** Σ weight · mean of Σ P log P; P is the mean distribution of a sequence over all applications of a router. */
function balanceLoss(loads) {
  const term = ({ weight, means }) => {
    const { length } = means;
    const distribution = means.reduce((sum, mean) => sum.add(mean)).div(length);
    return distribution.ref.mul(np.log(np.maximum(distribution, 1e-30))).sum(-1).mean().mul(weight);
  };
  return [...loads.values()].map(term).reduce((sum, one) => sum.add(one), np.array(0));
}

/** Pairs (j, j + half) of the first channels are rotated: [B, T, H, Dh]. */
function rotate(x, { cos, sin, half }) {
  const part = (...range) => x.ref.slice([], [], [], range);
  const [first, second, rest] = [part(0, half), part(half, 2 * half), part(2 * half, x.shape[3])];
  x.dispose();
  const turned = [first.ref.mul(cos.ref).sub(second.ref.mul(sin.ref)), second.mul(cos.ref).add(first.mul(sin.ref))];
  return np.concatenate([...turned, rest], -1);
}

/** [T, 1, half] */
function rotaryTables({ seqLen, layers: [{ attention: { rope: { nRotate, base } } }] }) {
  const half = nRotate / 2;
  const angle = (i) => Math.floor(i / half) * base ** (-(i % half) / half);
  const table = (fn) => np.array(Float32Array.from({ length: seqLen * half }, (_, i) => fn(angle(i))), { shape: [seqLen, 1, half] });
  return { cos: table(Math.cos), sin: table(Math.sin), half };
}
