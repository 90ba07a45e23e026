/** One workload: ours, and all who are measured beside it, in turn. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeTurns, type Contestant } from "../../runtime/bench/index.ts";
import { EnvironmentError, messageOf } from "../../runtime/errors.ts";
import { say } from "../terminal.ts";
import { openOurs, type Handle } from "./ours.ts";
import { openPeer, writeJob, type Peer } from "./peers.ts";
import { resultOf, type Absent, type Measured, type Result } from "./report.ts";
import type { Workload } from "./workloads.ts";

/** Who is measured beside ours. */
export interface Rival {
  readonly name: string;
  /** The part of its time that ours may take, by workload: 0.5 wants us to be twice as fast. */
  readonly goals: Readonly<Record<string, number>>;
  /** EnvironmentError if it cannot run this workload. @param job path of what a peer has to know */
  open(workload: Workload, job: string): Promise<Contestant>;
}

const ADAPTER_GOALS: Readonly<Record<string, Rival["goals"]>> = { lavapipe: { W1: 1 / 4 }, swiftshader: { W1: 1 / 15 } };

export const adapterRival = (handle: Handle): Rival =>
  ({ name: handle.info.kind, goals: ADAPTER_GOALS[handle.info.kind] ?? {}, open: (workload) => openOurs(handle, workload) });

/** Goals are set for the processor: what a GPU can do differs too much from one to the next. */
export const peerRival = (peer: Peer, handle: Handle): Rival =>
  ({ ...peer, goals: handle.info.kind === "gpu" ? {} : peer.goals, open: (_, job) => openPeer(peer, job) });

/** @param kernels whether to time ours kernel by kernel, too */
export async function contest(
  workload: Workload, handle: Handle, rivals: readonly Rival[], rounds: number, kernels: boolean,
): Promise<Result> {
  const label = `${workload.name} ${workload.mode}`;
  const folder = mkdtempSync(join(tmpdir(), "moeut-bench-"));
  const open: Contestant[] = [];
  try {
    say(`${label}: compiling`);
    const ours = await openOurs(handle, workload);
    open.push(ours);
    const absent: Absent[] = [];
    const present: Rival[] = [];
    const job = rivals.length === 0 ? "" : writeJob(folder, workload, ours);
    for (const rival of rivals) {
      say(`${label}: ${rival.name} gets ready`);
      const reason = await attempt(async () => void open.push(await rival.open(workload, job)));
      if (reason === null) present.push(rival);
      else absent.push({ name: rival.name, reason });
    }
    const turns = await takeTurns(open, rounds, (round) => say(`${label}: round ${round + 1} of ${rounds}`));
    const measured = open.flatMap((contestant, i): readonly Measured[] => {
      const [turn, rival] = [turns[i]!, present[i - 1]];
      if ("rounds" in turn) return [{ contestant, rounds: turn.rounds, goal: rival?.goals[workload.name] }];
      absent.push({ name: rival!.name, reason: turn.lost });
      return [];
    });
    return resultOf(workload, measured, absent, ours.memory, kernels ? await ours.lookInside() : null);
  } finally {
    open.forEach((contestant) => contestant.close());
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Why the machine could not do it, or null if it could. */
async function attempt(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (error instanceof EnvironmentError) return messageOf(error);
    throw error;
  }
}
