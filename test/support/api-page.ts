/** The program that docs/api.md is. */
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]!);

/** All of it, and as much as needs no device. */
export const PROGRAM: string = blocks.join("\n");
export const PROGRAM_WITHOUT_DEVICE: string = blocks.filter((block) => !block.includes("await run(")).join("\n");
