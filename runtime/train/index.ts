export { Diverged, train, type TrainOptions, type TrainResult } from "./loop.ts";
export { checkFolder, startRun } from "./start.ts";
export {
  createRun, isRun, logPath, readRun, readRunSpec, recipeOf, recipeSettings, specChanged, tokenizerPath,
  type DataInfo, type RunInfo, type RunTexts,
} from "./run-folder.ts";
export { currentCheckpoint, loadCheckpoint, loadWeights, openCheckpoint, saveCheckpoint, weightsPath } from "./checkpoint.ts";
export { readLog, writeLog, type StepRecord } from "./log.ts";
export { createProgress, formatDuration, type Progress } from "./progress.ts";
