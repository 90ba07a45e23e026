/** What a model loses without one of its experts, at one application of the router or at all of them. */
import type { RouterSite } from "../../compiler/stack/routers.ts";
import type { ValidationBatch } from "../data/index.ts";
import { countedPositions } from "../evaluate/index.ts";
import { writeBatch } from "../standalone/train-step.ts";
import type { Executor } from "../standalone/types.ts";
import { deviation, mean } from "../statistics/describe.ts";
import { byRouter, sum } from "./statistics.ts";

/** How much greater the loss is without the expert, nats per token. */
export interface Effect {
  readonly loss: number;
  /** Standard error over windows, each held against itself; null of one window. */
  readonly error: number | null;
}

/** Expert e of head h is number h · n_experts + e. */
export interface RouterRemoval {
  readonly router: string;
  /** [expert], taken out of all passes. */
  readonly everywhere: readonly Effect[];
  /** [pass][expert], taken out of this one alone. */
  readonly passes: readonly (readonly Effect[])[];
}

export interface Removal {
  readonly tokens: number;
  readonly windows: number;
  readonly routers: readonly RouterRemoval[];
}

interface Router {
  readonly router: string;
  /** The number of its first expert among those of all routers. */
  readonly first: number;
  readonly experts: number;
  /** Its applications, by their positions in depth. */
  readonly sites: readonly number[];
}

function routersOf(sites: readonly RouterSite[]): readonly Router[] {
  let next = 0;
  return byRouter(sites).map((own) => {
    const { router, heads, nExperts } = own[0]!;
    const experts = heads * nExperts;
    return { router, first: (next += experts) - experts, experts, sites: own.map(({ site }) => site) };
  });
}

/** What the input `removed` is for each removal of a router: [place][expert], its applications and then all of them together. */
const numbersOf = ({ first, experts, sites }: Router, depth: number): readonly (readonly number[])[] =>
  [...sites, depth].map((where) => Array.from({ length: experts }, (_, expert) => 1 + (first + expert) * (depth + 1) + where));

/** How many evaluations of each batch `recordRemoval` makes. */
export const removalsOf = (sites: readonly RouterSite[]): number =>
  1 + routersOf(sites).reduce((sum, router) => sum + router.experts * (router.sites.length + 1), 0);

/** Runs "evaluate", compiled with a lens, over the batches once for each removal; nothing is compiled or uploaded between. */
export async function recordRemoval(
  executor: Executor, sites: readonly RouterSite[], depth: number, batches: Iterable<ValidationBatch>,
  onRun: (done: number) => void = () => {},
): Promise<Removal> {
  const routers = routersOf(sites);
  const numbers = [0, ...routers.flatMap((router) => numbersOf(router, depth)).flat()];
  const sums = new Map(numbers.map((number) => [number, [] as number[]])); // of each window
  const sizes: number[] = [];
  let done = 0;
  for (const batch of batches) {
    const windows = countedPositions(batch, executor.shape("evaluate/tokens")[1]!);
    sizes.push(...windows.map(({ length }) => length));
    writeBatch(executor, "evaluate", batch);
    for (const number of numbers) {
      executor.write("evaluate/removed", Uint32Array.of(number));
      const losses = (await executor.run(["evaluate"], ["evaluate/token_loss"]))["evaluate/token_loss"]!;
      sums.get(number)!.push(...windows.map((window) => sum(window.map((position) => losses[position]!))));
      onRun(++done);
    }
  }
  executor.write("evaluate/removed", Uint32Array.of(0));
  const effects = (row: readonly number[]): readonly Effect[] => row.map((number) => effectOf(sums.get(number)!, sums.get(0)!, sizes));
  return {
    tokens: sum(sizes), windows: sizes.length,
    routers: routers.map((router) => {
      const rows = numbersOf(router, depth).map(effects);
      return { router: router.router, everywhere: rows.at(-1)!, passes: rows.slice(0, -1) };
    }),
  };
}

/** @param without, before sums of losses over each window @param sizes its tokens */
function effectOf(without: readonly number[], before: readonly number[], sizes: readonly number[]): Effect {
  const differences = without.map((sum, window) => (sum - before[window]!) / sizes[window]!);
  const loss = mean(differences.map((difference, window) => difference * sizes[window]!)) / mean(sizes);
  const spread = deviation(differences);
  return { loss, error: spread === null ? null : spread / Math.sqrt(sizes.length) };
}
