/** Runs one workload with jax-js, on "wasm" or "webgpu": node jax-js.mjs DEVICE JOB. */
import { imitateBrowser } from "./jax-js/browser.mjs";
import { answer, readJob, readTensors } from "./protocol.mjs";

const [device, path] = process.argv.slice(2);
const job = readJob(path);
imitateBrowser(job.threads, device === "webgpu" ? job.adapter : null);
const jax = await import("@jax-js/jax");
const { forward } = await import("./jax-js/model.mjs");
const { jit, nn, numpy: np, valueAndGrad } = jax;

/** Mean cross-entropy of targets [B, T]. */
function crossEntropy(logits, targets) {
  const vocabulary = logits.shape.at(-1);
  return nn.logSoftmax(logits, -1).mul(nn.oneHot(targets, vocabulary)).sum(-1).mean().neg();
}

/** [cross-entropy + balance, cross-entropy] */
function losses(params, tokens, targets) {
  const { logits, balance } = forward(job.model, params, tokens);
  const loss = crossEntropy(logits, targets);
  jax.tree.dispose(params);
  return [loss.ref.add(balance), loss];
}

/** Clipping by the global norm, then AdamW: every tree has the same names. */
function update({ params, m, v }, gradients, [correction1, correction2]) {
  const { gradClip, optimizer: { lr, beta1, beta2, eps, weightDecay } } = job.recipe;
  const squares = Object.values(gradients).map((g) => np.square(g.ref).sum()).reduce((sum, one) => sum.add(one));
  const scale = np.minimum(np.array(1), np.array(gradClip).div(np.sqrt(squares).add(1e-6)));
  const next = { params: {}, m: {}, v: {} };
  for (const [name, gradient] of Object.entries(gradients)) {
    const g = gradient.mul(scale.ref);
    const [mean, square] = [m[name].mul(beta1).add(g.ref.mul(1 - beta1)), v[name].mul(beta2).add(np.square(g).mul(1 - beta2))];
    const size = np.sqrt(square.ref.div(correction2.ref)).add(eps);
    const change = mean.ref.div(correction1.ref).div(size).mul(lr);
    next.params[name] = params[name].mul(1 - lr * weightDecay).sub(change);
    [next.m[name], next.v[name]] = [mean, square];
  }
  [scale, correction1, correction2].forEach((array) => array.dispose());
  return next;
}

function trainStep(params, tokens, targets) {
  const zeros = () => Object.fromEntries(Object.entries(params).map(([name, p]) => [name, np.zeros(p.shape)]));
  let state = { params, m: zeros(), v: zeros() };
  let count = 0;
  const step = jit((state, corrections, tokens, targets) => {
    const [[total, loss], gradients] = valueAndGrad(losses, { hasAux: true })(jax.tree.ref(state.params), tokens, targets);
    total.dispose();
    return { loss, state: update(state, gradients, corrections) };
  });
  return async () => {
    const { optimizer: { beta1, beta2 } } = job.recipe;
    count += 1;
    const result = step(state, [np.array(1 - beta1 ** count), np.array(1 - beta2 ** count)], tokens.ref, targets.ref);
    state = result.state;
    await jax.blockUntilReady(state);
    return (await result.loss.data())[0];
  };
}

function score(params, tokens, targets) {
  const loss = jit((params, tokens, targets) => {
    const [total, loss] = losses(params, tokens, targets);
    total.dispose();
    return loss;
  });
  return async () => (await loss(jax.tree.ref(params), tokens.ref, targets.ref).data())[0];
}

async function start() {
  if (job.mode === "generate") throw new Error("jax-js has no operation that writes one position of a cache");
  const devices = await jax.init();
  if (!devices.includes(device)) throw new Error(`jax-js has no device ${device} here, only ${devices.join(", ")}`);
  jax.defaultDevice(device);
  const { tokens, targets, ...weights } = readTensors(job.tensors);
  const array = ({ shape, data }) => np.array(data, { shape });
  const params = Object.fromEntries(Object.entries(weights).map(([name, tensor]) => [name, array(tensor)]));
  const integers = ({ shape, data }) => np.array(data, { shape, dtype: np.int32 });
  return { train: trainStep, forward: score }[job.mode](params, integers(tokens), integers(targets));
}

await answer(`jax-js 0.1.25 ${device}`, start);
