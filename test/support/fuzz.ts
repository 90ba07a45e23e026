/**
 * Fuzzing with a seed: input i is a function of seed and i alone. In `npm test` a fixed, small number of inputs;
 * MOEUT_FUZZ_SECONDS=3600 goes on for so long, MOEUT_FUZZ_SEED=7 takes other inputs, MOEUT_FUZZ_FIRST=12345 begins with that one.
 */
import vm from "node:vm";

/** Uniform whole numbers in 0 … n − 1, and what can be made of them. */
export interface Dice {
  below(n: number): number;
  pick<T>(items: readonly T[]): T;
  /** True once in n times. */
  once(n: number): boolean;
}

/** Source: mulberry32. */
export function dice(seed: number, index: number): Dice {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca77)) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n: number): number => next() % n;
  return { below, pick: (items) => items[below(items.length)]!, once: (n) => below(n) === 0 };
}

const setting = (name: string, usual: number): number => Number(process.env[`MOEUT_FUZZ_${name}`] ?? usual);

export interface Fuzz<Input> {
  readonly inputOf: (dice: Dice) => Input;
  /** Throws if anything about the input is wrong; what it returns is counted. */
  readonly examine: (input: Input, dice: Dice) => string | Promise<string>;
  /** The input without some part, for finding a small one that fails alike. */
  readonly smaller: (input: Input, dice: Dice) => Input;
  /** Inputs in `npm test`. */
  readonly usual: number;
}

/** Milliseconds of the clock after which an input counts as hanging, and seconds of CPU that one may take. */
const HANGS = 300_000;
const MOST_CPU = 20;

/** How many inputs were examined, and with what outcome. Throws with the first failing input, made small. */
export async function fuzz<Input>({ inputOf, examine, smaller, usual }: Fuzz<Input>): Promise<Readonly<Record<string, number>>> {
  const seed = setting("SEED", 1);
  const first = setting("FIRST", 0);
  const seconds = setting("SECONDS", 0);
  const end = performance.now() + 1000 * seconds;
  const outcomes: Record<string, number> = { inputs: 0 };
  for (let i = first; seconds > 0 ? performance.now() < end : i < first + usual; i++) {
    const input = inputOf(dice(seed, i));
    const fails = (candidate: Input): Promise<string | null> => failureOf(() => examine(candidate, dice(seed, i)), outcomes);
    const failure = await fails(input);
    if (failure !== null)
      throw new Error(`input ${i} of seed ${seed}: ${failure}\n${JSON.stringify(await shrunk(input, failure, smaller, fails), null, 1)}`);
    outcomes["inputs"]!++;
    await new Promise(setImmediate); // the test runner wants to hear from us, and files that are no longer held to be closed
  }
  return outcomes;
}

/** Why an examination fails, or null; one that does not end is ended. */
async function failureOf(examination: () => string | Promise<string>, outcomes: Record<string, number>): Promise<string | null> {
  const before = process.cpuUsage();
  try {
    const outcome = await (vm.runInNewContext("examination()", { examination }, { timeout: HANGS }) as ReturnType<typeof examination>);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const { user, system } = process.cpuUsage(before);
  return user + system > MOST_CPU * 1e6 ? `took ${(user + system) / 1e6} s of CPU` : null;
}

/** Pieces are left out as long as the first line of the failure stays the same, numbers apart. */
async function shrunk<Input>(
  input: Input, failure: string, smaller: Fuzz<Input>["smaller"], fails: (input: Input) => Promise<string | null>,
): Promise<Input> {
  const kind = (text: string): string => text.split("\n").find((line) => /Error|took/.test(line))?.replace(/[\d.]+/g, "0") ?? text;
  let best = input;
  for (let i = 0; i < 1_000; i++) {
    const candidate = smaller(best, dice(0, i));
    const other = candidate === best ? null : await fails(candidate);
    if (other !== null && kind(other) === kind(failure)) best = candidate;
  }
  return best;
}
