/** A process of its own that trains (or goes on training) the bigram model in the folder given as argument, to be killed. */
import { train } from "../../runtime/train/index.ts";
import { bigramRun } from "./bigram-run.ts";

const run = bigramRun({ folder: process.argv[2]!, resume: true, checkpointEvery: 1 });
console.log("training");
await train(run, { onStep: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3) });
