export { Diverged, train, type TrainHooks, type TrainOptions, type TrainResult } from "./loop.ts";
export { checkFolder, startRun, type StartOptions } from "./start.ts";
export { createRun, isRun, logPath, readRun, readRunSpec, recipeOf, recipeSettings, specChanged, type DataInfo, type RunInfo } from "./run-folder.ts";
export { currentCheckpoint, loadCheckpoint, loadWeights, openCheckpoint, saveCheckpoint, weightsPath, type Checkpoint, type CheckpointState } from "./checkpoint.ts";
export { readLog, type StepRecord } from "./log.ts";
export { createProgress, formatDuration, type Output, type Progress } from "./progress.ts";
