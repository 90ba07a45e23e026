/** Speed: contestants that run in turn, and each kernel's time. */
import { EnvironmentError } from "../errors.ts";
import type { KernelPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";

/** Who runs a workload: a model of ours on an adapter, or a peer in a process of its own. */
export interface Contestant {
  readonly name: string;
  /** Of the first run, which warmed it up: a loss, or log Σ exp of the first logits that a token is taken from. */
  readonly check: number;
  /** One whole run. @returns seconds */
  run(): Promise<number>;
  close(): void;
}

/** Seconds of one contestant, round by round. */
export type Rounds = readonly number[];

/** Milliseconds after which the idle threads of the one before sleep. */
const REST = 50;

/** Seconds of runs after which one that is slow is passed over: it is slow whatever further rounds say, and everyone else waits for it. */
const PATIENCE = 60;

/** Seconds of work after which a GPU runs at its full clock, which it gives up whenever it rests. */
const WARM = 0.2;

/** What became of a contestant: its time round by round, or why it could not go on. */
export type Turns = { readonly rounds: Rounds } | { readonly lost: string };

/**
 * Each runs once a round, so that what else the machine does meanwhile meets all of them. One that ends with an EnvironmentError is left
 * out from then on, and one that is slow after some rounds passed over, unless it is the first, whom the others are held against.
 */
export async function takeTurns(
  contestants: readonly Contestant[], rounds: number, onRound: (round: number) => void,
): Promise<readonly Turns[]> {
  const seconds = contestants.map((): number[] => []);
  const lost = new Map<Contestant, string>();
  for (let round = 0; round < rounds; round++) {
    onRound(round);
    for (const [i, contestant] of contestants.entries()) {
      const isSlow = seconds[i]!.reduce((a, b) => a + b, 0) > PATIENCE;
      if (lost.has(contestant) || i > 0 && isSlow) continue;
      await new Promise((resolve) => setTimeout(resolve, REST));
      try {
        seconds[i]!.push(await warmRun(contestant.run));
      } catch (error) {
        if (i === 0 || !(error instanceof EnvironmentError)) throw error;
        lost.set(contestant, error.message);
      }
    }
  }
  return contestants.map((contestant, i) => (lost.has(contestant) ? { lost: lost.get(contestant)! } : { rounds: seconds[i]! }));
}

/** Seconds of a run: of the last of several, if one is too short to warm anything up. */
export async function warmRun(run: Contestant["run"]): Promise<number> {
  for (let spent = 0; ;) {
    const seconds = await run();
    spent += seconds;
    if (spent >= WARM || seconds >= WARM / 2) return seconds;
  }
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Time of `one` over that of `other`, who may have fewer rounds: the median of what it is in each round. */
export const ratioOf = (one: Rounds, other: Rounds): number => median(other.map((seconds, round) => one[round]! / seconds));

/** What a kernel does in all its launches of some entries. */
export interface KernelTime {
  readonly kernel: string;
  readonly launches: number;
  readonly seconds: number;
  readonly flops: number;
  readonly bytes: number;
}

/** What there is to know of a workload of ours besides its time. */
export interface Inside {
  readonly kernels: readonly KernelTime[] | null;
  /** The part of a run in which not even the busiest thread computes; null where the adapter cannot tell. */
  readonly outside: number | null;
}

/** Runs to find the least of: other work on the machine only adds. */
const PROBES = 7;

/** See Inside. @param run resolves to its seconds */
export async function outsideKernels(executor: Executor, run: () => Promise<number>): Promise<number | null> {
  let least = 1;
  for (let probe = 0; probe < PROBES; probe++) {
    executor.busy();
    const milliseconds = 1000 * (await run());
    const busy = executor.busy();
    if (busy === null) return null;
    least = Math.min(least, 1 - busy / milliseconds);
  }
  return least;
}

interface Cost {
  readonly flops?: number;
  readonly bytes: number;
}

/**
 * Time of each kernel, the dearest first; null where the adapter cannot tell. Launches are timed one by one, so the sum exceeds a run's
 * time a little.
 * @param costs of each launch of each entry
 */
export async function timeKernels(
  executor: Executor, plan: KernelPlan, entries: readonly string[], costs: Readonly<Record<string, readonly Cost[]>>,
): Promise<readonly KernelTime[] | null> {
  const totals = new Map<string, KernelTime>();
  for (const entry of entries) {
    const nanoseconds = await executor.time(entry);
    if (nanoseconds === null) return null;
    plan.entries[entry]!.dispatches.forEach((dispatch, i) => {
      const kernel = plan.kernels[dispatch.kernel]!.name;
      const { launches, seconds, flops, bytes } = totals.get(kernel) ?? { launches: 0, seconds: 0, flops: 0, bytes: 0 };
      const cost = costs[entry]![i]!;
      const more = { launches: launches + 1, seconds: seconds + nanoseconds[i]! / 1e9 };
      totals.set(kernel, { kernel, ...more, flops: flops + (cost.flops ?? 0), bytes: bytes + cost.bytes });
    });
  }
  return [...totals.values()].sort((a, b) => b.seconds - a.seconds);
}
