/** Shows where training stands: one line that changes on a terminal, plain lines now and then elsewhere. */
import type { StepRecord } from "./log.ts";
import { createRoutingWatch } from "./routing.ts";

/** The part of a stream that is used; process.stderr is one. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressOptions {
  readonly output: Output;
  /** In front of every line, for instance the name of a variant; may be "". */
  readonly label: string;
  readonly steps: number;
  readonly tokensPerStep: number;
}

export interface Progress {
  update(record: StepRecord): void;
  /** Leaves the last state on the screen and goes to the next line. */
  finish(): void;
}

/** Plain lines appear for the first two steps and the last, for every twentieth of the run, and after this long a silence. */
const SILENCE_SECONDS = 20;

/** Warnings about routing follow the state that they are about. */
export function createProgress(options: ProgressOptions): Progress {
  const shown = options.output.isTTY === true ? liveLine(options) : plainLines(options);
  const watch = createRoutingWatch();
  return {
    update: (record) => {
      shown.update(record);
      const warnings = record.routing === undefined ? [] : watch(record.routing);
      if (warnings.length > 0) shown.finish();
      for (const warning of warnings) options.output.write(`${options.label === "" ? "" : `${options.label}  `}${warning}\n`);
    },
    finish: shown.finish,
  };
}

function liveLine(options: ProgressOptions): Progress {
  const { output } = options;
  const speed = createSpeed();
  let shown = false;
  return {
    update: (record) => {
      const line = describe(record, options, speed.add(record.seconds));
      const keep = record.validation_loss !== undefined ? "\n" : "";
      output.write(`\r\x1b[K${line.slice(0, Math.max(20, (output.columns ?? 80) - 1))}${keep}`);
      shown = keep === "";
    },
    finish: () => {
      if (shown) output.write("\n");
      shown = false;
    },
  };
}

function plainLines(options: ProgressOptions): Progress {
  const speed = createSpeed();
  const every = Math.max(1, Math.ceil(options.steps / 20));
  let lastTime = 0;
  let count = 0;
  return {
    update: (record) => {
      const rate = speed.add(record.seconds);
      const now = performance.now();
      const isDue = ++count <= 2 || record.step % every === 0 || record.step === options.steps || record.validation_loss !== undefined;
      if (!isDue && now - lastTime < 1000 * SILENCE_SECONDS) return;
      lastTime = now;
      options.output.write(`${describe(record, options, rate)}\n`);
    },
    finish: () => {},
  };
}

/**
 * Smoothed seconds per step: follows a change within some ten steps. Null after the first, in which drivers compile: it says nothing about
 * the others.
 */
function createSpeed(): { add(seconds: number): number | null } {
  let mean: number | null = null;
  let isFirst = true;
  return {
    add: (seconds) => {
      if (!isFirst) mean = mean === null ? seconds : mean + 0.1 * (seconds - mean);
      isFirst = false;
      return mean;
    },
  };
}

function describe(record: StepRecord, { label, steps, tokensPerStep }: ProgressOptions, secondsPerStep: number | null): string {
  const validation = record.validation_loss === undefined ? "" : `  validation ${record.validation_loss.toFixed(4)}`;
  const speed = secondsPerStep === null ? [] : [`${formatRate(tokensPerStep / secondsPerStep)} tokens/s`];
  const left = record.step === steps ? ["done"]
    : secondsPerStep === null ? [] : [`${formatDuration((steps - record.step) * secondsPerStep)} left`];
  const parts = [
    `step ${String(record.step).padStart(String(steps).length)}/${steps}`, `loss ${record.ce_loss.toFixed(4)}${validation}`,
    ...speed, ...left,
  ];
  return `${label === "" ? "" : `${label}  `}${parts.join("  ")}`;
}

const formatRate = (rate: number): string => (rate >= 10_000 ? `${(rate / 1000).toFixed(1)}k` : rate.toFixed(0));

/** "42 s", "3 min 05 s", "2 h 10 min" */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}
