/** A process of its own that trains (or goes on training) the bigram model in the folder given as argument, to be killed. */
import { writeSync } from "node:fs";
import { train } from "../../runtime/train/index.ts";
import { bigramRun } from "./bigram-run.ts";

const run = bigramRun({ folder: process.argv[2]!, resume: true, checkpointEvery: 1 });
writeSync(1, "ready\n");
await train(run, { onStep: ({ step }) => void writeSync(1, `step ${step}\n`) });
