/** The jobs of a sweep as a script: POSIX shell, or a Slurm array, a task for each job. */
import { quoted, words } from "./shell.ts";

export interface Job {
  readonly name: string;
  readonly variant: string;
  readonly seed: number;
}

export interface SweepScript {
  readonly kind: "sh" | "slurm";
  readonly jobs: readonly Job[];
  /** Where the sweep was written, and where its paths begin. */
  readonly directory: string;
  /** The comparison. */
  readonly out: string;
  /** moeut.mjs */
  readonly program: string;
  /** null: moeut trains. */
  readonly torchrun: Torchrun | null;
  /** Lines behind #SBATCH. */
  readonly sbatch: readonly string[];
}

export interface Torchrun {
  /** Words for the shell, as they were given: of torchrun, and of train.py. */
  readonly launch: string;
  readonly train: string;
  /** A prepared corpus. */
  readonly data: readonly string[];
  readonly evalEvery: number;
}

export const scriptOf = (sweep: SweepScript): string => `${[
  sweep.kind === "sh" ? "#!/bin/sh" : ["#!/bin/bash", ...sbatchLines(sweep)].join("\n"),
  headOf(sweep), sweep.torchrun === null ? TRAIN_HERE : trainInPyTorch(sweep.torchrun), CLAIM, JOB, callsOf(sweep),
].join("\n\n")}\n`;

const sbatchLines = ({ jobs, sbatch }: SweepScript): readonly string[] =>
  ["--job-name=moeut", `--array=0-${jobs.length - 1}`, "--open-mode=append", "--requeue", ...sbatch].map((line) => `#SBATCH ${line}`);

const headOf = ({ kind, jobs, directory, out, program }: SweepScript): string => `\
# ${jobs.length} jobs of a comparison, each from where it was left. ${kind === "sh" ? "Start" : "Submit"} this again to go on,
# in several places too: a job is done once, by one at a time. Then: moeut compare --gather ${quoted(out)}
cd ${quoted(directory)} || exit 2
out=${quoted(out)}
moeut() { if [ -n "\${MOEUT-}" ]; then $MOEUT "$@"; else node ${quoted(program)} "$@"; fi; }`;

const TRAIN_HERE = `\
train() { # name
  moeut sweep --out "$out" --job "$1"
}`;

const trainInPyTorch = ({ launch, train, data, evalEvery }: Torchrun): string => `\
train() { # name variant seed
  job="$out/jobs/$1"
  if [ -e "$out/runs/$1" ]; then return; fi
  moeut export hf "$out/specs/$2.moeut" --seed "$3" --out "$job/model" --set train.eval_every=${evalEvery} || return
  \${TORCHRUN:-torchrun} ${launch} "$job/model/train.py" --data ${words(data)} --seed "$3" --out "$job/trained" ${train}
  status=$?
  if [ -e "$job/trained/diverged.json" ]; then return 0; fi # --gather says so
  if [ $status -ne 0 ]; then return $status; fi
  rm -rf "$job/run" # of an import that was cut off
  moeut import hf "$job/trained" --out "$job/run" && mkdir -p "$out/runs" && mv "$job/run" "$out/runs/$1"
}`;

/** The newest claim holds; the next is made by a link, which one alone can make. */
const CLAIM = `\
me=\${SLURM_JOB_ID:+slurm:$SLURM_JOB_ID}
me=\${me:-$(hostname):$$}
is_running() { # whoever claimed a job
  case $1 in
    "$me") false ;;
    slurm:*) ! command -v squeue > /dev/null || [ -n "$(squeue -h -j "\${1#slurm:}" 2> /dev/null)" ] ;;
    "$(hostname)":*) kill -0 "\${1##*:}" 2> /dev/null ;;
    *) true ;;
  esac
}
claim() { # folder
  next=1 owner=$me
  while [ -L "$1/claim-$next" ]; do owner=$(readlink "$1/claim-$next") next=$((next + 1)); done
  if is_running "$owner"; then
    claim="$1/claim-$((next - 1))"
    echo "$1 belongs to $owner since $(LC_ALL=C ls -ld "$claim" | awk '{ print $6, $7, $8 }'); if that is gone, remove $claim"
    false
  else
    ln -s "$me" "$1/claim-$next" 2> /dev/null
  fi
}`;

const JOB = `\
failed=0
job() { # name variant seed
  folder="$out/jobs/$1"
  mkdir -p "$folder"
  if [ ! -e "$folder/done" ] && claim "$folder"; then
    echo "$1"
    train "$@"
    status=$?
    if [ $status -gt 128 ]; then exit $status; fi # stopped by a signal
    if [ $status -eq 0 ]; then : > "$folder/done"; else failed=1; fi
  fi
}`;

function callsOf({ kind, jobs }: SweepScript): string {
  const calls = jobs.map(({ name, variant, seed }) => `job ${words([name, variant, String(seed)])}`);
  if (kind === "sh") return [...calls, "exit $failed"].join("\n");
  const cases = calls.map((call, i) => `  ${i}) ${call} ;;`);
  return ['case ${SLURM_ARRAY_TASK_ID:?is set by sbatch} in', ...cases, "esac", "exit $failed"].join("\n");
}
