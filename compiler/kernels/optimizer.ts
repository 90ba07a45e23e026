/**
 * The update after all micro-batches: global gradient norm, finiteness, clipping, AdamW (Loshchilov & Hutter 2019,
 * arXiv:1711.05101) as PyTorch computes it, and gradients back to zero. A gradient that is not finite skips the update.
 *
 * Error  with u = 2⁻²⁴. Squares are added up in runs of n vec4s, then the P runs of a parameter, then N parameters, all in order, and the
 *        root halves the share: ((n + P + N)/2 + 11)·u·norm. AdamW, for given m and v: 35·u of the step (WGSL's sqrt is good to 9u, its
 *        division to 5u, and there are two and three of them) and 2·u of the weight.
 */
import { oneEach, read, wgsl, write, type KernelParts } from "./text.ts";
import { METRICS_WORDS, WIDTH } from "./tiles.ts";

const WEIGHT = write("weight", "vec4f", "[n]");
const GRAD = write("grad", "vec4f", "[n]");
const METRICS = read("metrics", "f32", `[${METRICS_WORDS}]`);
const METRICS_WRITTEN = write("metrics", "f32", `[${METRICS_WORDS}]`);

/** [n] → [jobs]. Sizes: n4, jobs (invocations), first (place of the parameter's first partial). */
export const gradPartialsKernel = (): KernelParts => ({
  name: "grad_partials",
  doc: ["Per invocation: sum of squares of a run of gradients, and whether all of them are finite"
    + " (by their bits: compilers may assume x == x)."],
  sizes: ["n4", "jobs", "first"],
  storage: [read("grad", "vec4f", "[n]"), write("partials", "vec2f", "[all jobs] sum of squares, 1 if not finite")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("job", "sizes.jobs")}
    let run = (sizes.n4 + sizes.jobs - 1u) / sizes.jobs;
    let end = min((job + 1u) * run, sizes.n4);
    var sum = vec4f();
    var bad = vec4<bool>(false);
    for (var i = job * run; i < end; i++) {
      let g = grad[i];
      sum = fma(g, g, sum);
      bad = bad | ((bitcast<vec4u>(g) & vec4u(0x7f800000u)) == vec4u(0x7f800000u));
    }
    partials[sizes.first + job] = vec2f(sum.x + sum.y + sum.z + sum.w, select(0.0, 1.0, any(bad)));
  `,
});

/** [all jobs] → [params]. Sizes: params. `ranges` holds the partials of each parameter. One invocation per parameter. */
export const gradTotalsKernel = (): KernelParts => ({
  name: "grad_totals",
  doc: ["Sum of squares and finiteness of each parameter's gradient."],
  sizes: ["params"],
  storage: [read("partials", "vec2f", "[all jobs]"), read("ranges", "vec2u", "[params] first partial, partials"),
    write("totals", "vec2f", "[params]")],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("param", "sizes.params")}
    let range = ranges[param];
    var sum = vec2f();
    for (var i = range.x; i < range.x + range.y; i++) { sum += partials[i]; }
    let overflow = (bitcast<u32>(sum.x) & 0x7f800000u) == 0x7f800000u;
    totals[param] = select(sum, vec2f(0.0, 1.0), overflow || sum.y > 0.0);
  `,
});

/** [params] → the metrics. Sizes: params. One invocation in all. */
export const gradNormKernel = (): KernelParts => ({
  name: "grad_norm",
  doc: ["Global norm, the factor that clips it, and the first parameter whose gradient is not finite."
    + " Publishes and resets the running losses."],
  sizes: ["params"],
  storage: [read("totals", "vec2f", "[params]"), read("update_words", "f32", "[8]"), METRICS_WRITTEN],
  workgroupSize: 1,
  body: wgsl`
    var sum = 0.0;
    var first_bad = 0u;
    for (var i = 0u; i < sizes.params; i++) {
      sum += totals[i].x;
      if (first_bad == 0u && totals[i].y > 0.0) { first_bad = i + 1u; }
    }
    let norm = sqrt(sum);
    let limit = update_words[5];
    metrics[0] = metrics[5];
    metrics[1] = metrics[6];
    metrics[2] = norm;
    metrics[3] = f32(first_bad);
    metrics[4] = select(1.0, limit / (norm + 1e-6), limit > 0.0 && norm > limit);
    metrics[5] = 0.0;
    metrics[6] = 0.0;
  `,
});

/** Sizes: n4. One invocation per vec4. */
export const adamwKernel = (): KernelParts => ({
  name: "adamw",
  doc: [
    "w = w (1 - lr wd) - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps), with clipped gradients; gradients become 0.",
    "Weights of means come as 1 - beta: near 1, float32 holds few digits of beta. m - (1 - beta1) m + (1 - beta1) g is g where beta1 is 0.",
  ],
  sizes: ["n4"],
  storage: [WEIGHT, GRAD, write("adam_m", "vec4f", "[n]"), write("adam_v", "vec4f", "[n]"),
    read("update_words", "f32", "[8] lr, 1 - beta1, 1 - beta2, eps, weight_decay, grad_clip, 1 - beta1^t, 1 - beta2^t"), METRICS],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("i", "sizes.n4")}
    let g = grad[i] * metrics[4];
    grad[i] = vec4f();
    if (metrics[3] > 0.0) { return; }
    let lr = update_words[0];
    let one_minus_beta1 = vec4f(update_words[1]);
    let one_minus_beta2 = vec4f(update_words[2]);
    let m = fma(-one_minus_beta1, adam_m[i], adam_m[i]) + one_minus_beta1 * g;
    let v = fma(-one_minus_beta2, adam_v[i], adam_v[i]) + one_minus_beta2 * g * g;
    adam_m[i] = m;
    adam_v[i] = v;
    let decayed = fma(vec4f(-lr * update_words[4]), weight[i], weight[i]);
    weight[i] = decayed - (lr / update_words[6]) * m / (sqrt(v) / sqrt(update_words[7]) + update_words[3]);
  `,
});

/** Sizes: n4. One invocation per vec4. A learning rate of 0 (a run that only measures) moves nothing. */
export const signStepKernel = (rate: number): KernelParts => ({
  name: "sign_step",
  doc: ["w = w - rate sign(gradient); gradients become 0 (loss-free balancing, Wang et al. 2024)."],
  sizes: ["n4"],
  storage: [WEIGHT, GRAD, read("update_words", "f32", "[8] lr, …"), METRICS],
  workgroupSize: WIDTH,
  body: wgsl`
    ${oneEach("i", "sizes.n4")}
    let g = grad[i];
    grad[i] = vec4f();
    if (metrics[3] > 0.0 || update_words[0] == 0.0) { return; }
    weight[i] = weight[i] - f32(${rate}) * sign(g);
  `,
});

/** Adds the losses of one micro-batch to the running sums. One invocation in all. */
export const addLossesKernel = (): KernelParts => ({
  name: "add_losses",
  doc: ["Running losses of the micro-batches of one step, each weighted by loss_scale."],
  sizes: [],
  storage: [read("ce_loss", "f32", "[1]"), read("reg_loss", "f32", "[1]"), read("loss_scale", "f32", "[1]"), METRICS_WRITTEN],
  workgroupSize: 1,
  body: wgsl`
    metrics[5] = metrics[5] + loss_scale[0] * ce_loss[0];
    metrics[6] = metrics[6] + loss_scale[0] * reg_loss[0];
  `,
});
