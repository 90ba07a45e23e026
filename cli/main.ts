/** The entry of `moeut`. */
import { cannotWrite, systemCode } from "../runtime/errors.ts";
import { runCommand } from "./program.ts";
import { say } from "./terminal.ts";

/** Output that nobody reads (`moeut train … 2>&1 | head`, a terminal that is gone) is lost, and nothing else: the command goes on. */
const UNREAD = new Set(["EPIPE", "EIO"]);
process.stderr.on("error", () => {});
process.stdout.on("error", (error) => {
  if (UNREAD.has(systemCode(error))) return;
  const { message, exitStatus } = cannotWrite("the result to standard output", error);
  say(`error: ${message}`);
  process.exitCode = exitStatus;
});

process.exitCode = await runCommand(process.argv.slice(2));
