/** The jobs of a sweep as a script: POSIX shell, or a Slurm array, a task for each job. */
import { quoted, words } from "./shell.ts";

export interface Job {
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
  /** Arguments of `moeut train`, or where it is another, of what trains: the data, and what is said about all runs. */
  readonly data: readonly string[];
  readonly settings: readonly string[];
  /** Words for the shell, as they were given; null for `moeut train`. */
  readonly torchrun: { readonly launch: string; readonly train: string } | null;
  /** Lines behind #SBATCH. */
  readonly sbatch: readonly string[];
}

export const scriptOf = (sweep: SweepScript): string => `${[
  sweep.kind === "sh" ? "#!/bin/sh" : ["#!/bin/bash", ...sbatchLines(sweep)].join("\n"),
  headOf(sweep), sweep.torchrun === null ? trainHere(sweep) : trainInPyTorch(sweep, sweep.torchrun), CLAIM, JOB, callsOf(sweep),
].join("\n\n")}\n`;

const sbatchLines = ({ jobs, sbatch }: SweepScript): readonly string[] =>
  ["--job-name=moeut", `--array=0-${jobs.length - 1}`, "--open-mode=append", "--requeue", ...sbatch].map((line) => `#SBATCH ${line}`);

const headOf = ({ kind, jobs, directory, out, program }: SweepScript): string => `\
# ${jobs.length} jobs of a comparison, each a run from where it was left. ${kind === "sh" ? "Start" : "Submit"} this again to go on,
# in several places too: a job is done once, by one at a time. Then: moeut compare --gather ${quoted(out)}
cd ${quoted(directory)} || exit 2
out=${quoted(out)}
moeut() { if [ -n "\${MOEUT-}" ]; then $MOEUT "$@"; else node ${quoted(program)} "$@"; fi; }`;

const trainHere = ({ data, settings }: SweepScript): string => `\
train() { # variant seed
  moeut train "$out/specs/$1.moeut" --data ${words(data)} --seed "$2" --out "$out/runs/$1-seed$2" --resume ${words(settings)}
}`;

const trainInPyTorch = ({ data, settings }: SweepScript, { launch, train }: NonNullable<SweepScript["torchrun"]>): string => `\
train() { # variant seed
  job="$out/jobs/$1-seed$2"
  if [ -e "$out/runs/$1-seed$2" ]; then return; fi
  moeut export hf "$out/specs/$1.moeut" --seed "$2" --out "$job/model" ${words(settings)} || return
  \${TORCHRUN:-torchrun} ${launch} "$job/model/train.py" --data ${words(data)} --seed "$2" --out "$job/trained" ${train} || return
  rm -rf "$job/run" # of an import that was cut off
  moeut import hf "$job/trained" --out "$job/run" && mkdir -p "$out/runs" && mv "$job/run" "$out/runs/$1-seed$2"
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
    echo "$1 belongs to $owner; if that is gone, remove $1/claim-$((next - 1))"
    false
  else
    ln -s "$me" "$1/claim-$next" 2> /dev/null
  fi
}`;

const JOB = `\
failed=0
job() { # variant seed
  folder="$out/jobs/$1-seed$2"
  mkdir -p "$folder"
  if [ ! -e "$folder/done" ] && claim "$folder"; then
    echo "$1 seed $2"
    train "$1" "$2"
    status=$?
    if [ $status -gt 128 ]; then exit $status; fi # stopped by a signal
    if [ $status -eq 0 ]; then : > "$folder/done"; else failed=1; fi
  fi
}`;

function callsOf({ kind, jobs }: SweepScript): string {
  const calls = jobs.map(({ variant, seed }) => `job ${quoted(variant)} ${seed}`);
  if (kind === "sh") return [...calls, "exit $failed"].join("\n");
  const cases = calls.map((call, i) => `  ${i}) ${call} ;;`);
  return ['case ${SLURM_ARRAY_TASK_ID:?is set by sbatch} in', ...cases, "esac", "exit $failed"].join("\n");
}
