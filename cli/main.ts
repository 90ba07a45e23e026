/** The entry of `moeut`. */
import { runCommand } from "./program.ts";

/** A reader that went away (`moeut inspect … | head`) is no error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCommand(process.argv.slice(2));
