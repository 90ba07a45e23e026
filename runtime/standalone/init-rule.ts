/** How one parameter is drawn before training. */
export type InitRule =
  | { readonly kind: "zeros" }
  | { readonly kind: "ones" }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly std: number }
  /** Between −limit and limit. */
  | { readonly kind: "uniform"; readonly limit: number }
  /** Normal truncated at ±2 standard deviations, rescaled so that the tensor's standard deviation is `std`. */
  | { readonly kind: "truncatedNormal"; readonly std: number }
  /** Normal rows (last axis) made equally long, the tensor rescaled to the standard deviation it had ("equal"), or each row
   *  rescaled by (its own standard deviation before) / (that of the tensor after) ("own"). */
  | { readonly kind: "normalRows"; readonly std: number; readonly rescale: "equal" | "own" };
