/** What devices, which compute in single precision, make of numbers. */

/** Below the smallest normal number of single precision, which devices may take for 0. */
export const vanishes = (value: number): boolean => value !== 0 && Math.abs(value) < 2 ** -126;
