/**
 * How far float32 attention may be from the exact one, from the roundings of each step: what compiler/kernels/attention.ts and
 * attention-grad.ts state, with their r as `relative`, m as `reach` and A as `absDelta`.
 */
export interface AttentionDims { readonly B: number; readonly T: number; readonly H: number; readonly Dh: number }
type Tensor = Float64Array; // [B, T, H, Dh]

const U = 2 ** -24;

export interface AttentionBounds { readonly z: Tensor; readonly gradQ: Tensor; readonly gradK: Tensor; readonly gradV: Tensor }

export function attentionBounds(
  { B, T, H, Dh }: AttentionDims, x: { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor; readonly gradZ: Tensor },
): AttentionBounds {
  const zeros = (): Tensor => new Float64Array(B * T * H * Dh);
  const bounds = { z: zeros(), gradQ: zeros(), gradK: zeros(), gradV: zeros() };
  const at = (b: number, t: number, h: number): number => ((b * T + t) * H + h) * Dh;
  const dot = (a: Tensor, i: number, c: Tensor, j: number, f = (n: number): number => n): number => {
    let total = 0;
    for (let d = 0; d < Dh; d++) total += f(a[i + d]! * c[j + d]!);
    return total;
  };
  for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) {
    const row = at(b, t, h);
    const keys = Array.from({ length: t + 1 }, (_, j) => at(b, j, h));
    const scores = keys.map((key) => dot(x.q, row, x.k, key));
    const top = Math.max(...scores);
    const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0);
    const lse = top + Math.log(total);
    const reach = Math.max(...scores.map((s) => Math.abs(s - lse))) + Math.abs(lse) + 1;
    const scoreError = (Dh + 4) * U * Math.max(...keys.map((key) => dot(x.q, row, x.k, key, Math.abs)));
    const relative = 2 * (scoreError + 2 * U * (3 + 2 * reach)) + (keys.length + 8) * U;
    const absDelta = keys.reduce((sum, key, j) => sum + Math.exp(scores[j]! - lse) * dot(x.gradZ, row, x.v, key, Math.abs), 0);
    keys.forEach((key, j) => {
      const p = Math.exp(scores[j]! - lse);
      // ds = p·(grad_z·v − delta): both dot products and delta carry errors of their own.
      const dsError = p * (2 * relative + (2 * Dh + 8) * U) * (dot(x.gradZ, row, x.v, key, Math.abs) + absDelta);
      const pError = p * (relative + (T + 4) * U);
      for (let d = 0; d < Dh; d++) {
        bounds.z[row + d]! += pError * Math.abs(x.v[key + d]!);
        bounds.gradV[key + d]! += pError * Math.abs(x.gradZ[row + d]!);
        bounds.gradQ[row + d]! += (dsError + T * U * p * absDelta) * Math.abs(x.k[key + d]!);
        bounds.gradK[key + d]! += (dsError + T * U * p * absDelta) * Math.abs(x.q[row + d]!);
      }
    });
  }
  return bounds;
}
