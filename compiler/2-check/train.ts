/** Settings of `train` → TrainSpec. */
import type { TrainSpec } from "../ir/model-spec.ts";
import type { Span } from "../ir/source.ts";
import { ADAMW, CONSTANT, SCHEDULE, TRAIN } from "./language.ts";
import { type BuildContext, child, kindName, placeOf, read, type Settings } from "./settings.ts";

export function buildTrain(settings: Settings, fallback: Span, context: BuildContext): TrainSpec | null {
  const fields = read(settings, TRAIN, context);
  const adamw = read(child(settings, "optimizer"), ADAMW, context);
  const schedule = buildSchedule(child(settings, "schedule"), context);
  if (fields === null || adamw === null || schedule === null) return null;
  const { batch, accumulate, steps } = fields;
  if (batch % accumulate !== 0) {
    context.report.report("uneven-batch", placeOf(settings, "accumulate", fallback), { batch, accumulate });
    return null;
  }
  if (schedule.warmup > steps) {
    context.report.report("warmup-exceeds-steps", placeOf(child(settings, "schedule"), "warmup", fallback), {
      warmup: schedule.warmup, steps,
    });
  }
  return {
    optimizer: {
      kind: "adamw", lr: adamw.lr, beta1: adamw.betas[0]!, beta2: adamw.betas[1]!, eps: adamw.eps, weightDecay: adamw.weight_decay,
    },
    schedule,
    gradClip: fields.grad_clip === "none" ? null : fields.grad_clip,
    batch, accumulate, steps, evalEvery: fields.eval_every, checkpointEvery: fields.checkpoint_every,
  };
}

function buildSchedule(settings: Settings, context: BuildContext): TrainSpec["schedule"] | null {
  const kind = kindName(settings, TRAIN.blocks["schedule"]!) as TrainSpec["schedule"]["kind"];
  if (kind === "constant") {
    const fields = read(settings, CONSTANT, context);
    return fields === null ? null : { kind, warmup: fields.warmup, floor: 1 };
  }
  const fields = read(settings, SCHEDULE, context);
  return fields === null ? null : { kind, warmup: fields.warmup, floor: fields.floor };
}
