/** 10_000, 1e-5, 0.5: a number as people write it in a spec, exactly the same number. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return Math.abs(value) < 10_000 ? String(value)
    : String(value).replace(/\B(?=(\d{3})+$)/g, "_");
  return Math.abs(value) < 1e-3 ? value.toExponential() : String(value);
}
