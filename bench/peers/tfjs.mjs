/** Runs one workload with TensorFlow.js on its WebAssembly backend: node tfjs.mjs JOB. */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { answer, readJob, readTensors } from "./protocol.mjs";
import { forward } from "./tfjs/model.mjs";

const job = readJob(process.argv[2]);

const crossEntropy = (logits, targets) => {
  const vocabulary = logits.shape.at(-1);
  return tf.losses.softmaxCrossEntropy(tf.oneHot(targets.flatten(), vocabulary), logits.reshape([-1, vocabulary]));
};

/** TensorFlow.js has Adam without decoupled decay and no clipping by the global norm: both are written out. */
function trainStep(weights, tokens, targets) {
  const { gradClip, optimizer: { lr, beta1, beta2, eps, weightDecay } } = job.recipe;
  const variables = Object.fromEntries(Object.entries(weights).map(([name, tensor]) => [name, tf.variable(tensor, true, name)]));
  const moments = Object.values(variables).map((w) => [w, tf.variable(tf.zerosLike(w)), tf.variable(tf.zerosLike(w))]);
  let count = 0;
  return () => tf.tidy(() => {
    count += 1;
    let loss;
    const { grads } = tf.variableGrads(() => {
      const { logits, balance } = forward(job.model, variables, tokens);
      loss = tf.keep(crossEntropy(logits, targets));
      return loss.add(balance);
    });
    const norm = tf.addN(Object.values(grads).map((g) => g.square().sum())).sqrt();
    const scale = tf.minimum(1, tf.div(gradClip, norm.add(1e-6)));
    for (const [w, m, v] of moments) {
      const g = grads[w.name].mul(scale);
      m.assign(m.mul(beta1).add(g.mul(1 - beta1)));
      v.assign(v.mul(beta2).add(g.square().mul(1 - beta2)));
      const size = v.div(1 - beta2 ** count).sqrt().add(eps);
      w.assign(w.mul(1 - lr * weightDecay).sub(m.div(1 - beta1 ** count).div(size).mul(lr)));
    }
    const [value] = loss.dataSync();
    loss.dispose();
    return value;
  });
}

const score = (weights, tokens, targets) => () =>
  tf.tidy(() => crossEntropy(forward(job.model, weights, tokens).logits, targets).dataSync()[0]);

async function start() {
  if (job.mode === "generate") throw new Error("not written for TensorFlow.js");
  if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js cannot start its backend wasm");
  const { tokens, targets, ...weights } = readTensors(job.tensors);
  const tensor = ({ shape, data }) => tf.tensor(data, shape);
  const given = Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, tensor(w)]));
  return { train: trainStep, forward: score }[job.mode](given, tensor(tokens), tensor(targets));
}

await answer(`TensorFlow.js ${tf.version_core} wasm`, start);
