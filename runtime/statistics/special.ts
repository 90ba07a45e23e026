/** Special functions in double precision, for real arguments. */

/** Lanczos's approximation with g = 7 and nine terms (Godfrey 2001): right to about 15 digits. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** log Γ(x) for x ≥ ½. */
export function logGamma(x: number): number {
  const sum = LANCZOS.reduce((total, c, i) => (i === 0 ? c : total + c / (x - 1 + i)), 0);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularized incomplete beta function I_x(a, b), for a, b ≥ ½ and x from 0 to 1. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a); // the fraction converges fast on the other side
  const logFront = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return (Math.exp(logFront) / a) * betaFraction(x, a, b);
}

/** The continued fraction 1 / (1 + d₁ / (1 + d₂ / …)) of I_x(a, b), DLMF 8.17.22, by Lentz's method. */
function betaFraction(x: number, a: number, b: number): number {
  let [c, d, value] = [Infinity, 1, 1];
  for (let i = 1; i < 1000 && Math.abs(c * d - 1) > 1e-15; i++) {
    const m = Math.floor(i / 2);
    const numerator = i % 2 === 1 ? -(a + m) * (a + b + m) : m * (b - m);
    const term = (numerator * x) / ((a + i - 1) * (a + i));
    c = 1 + term / c;
    d = 1 / (1 + term * d);
    value *= c * d;
  }
  return value;
}

/** Distribution function of the standard normal, right to 1e-15 absolutely: Taylor series (Marsaglia 2004). */
export function normalCdf(x: number): number {
  if (Math.abs(x) > 8.3) return x < 0 ? 0 : 1;
  let [term, sum] = [x, x];
  for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) sum += term *= (x * x) / i;
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
