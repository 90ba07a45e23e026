/**
 * Loaded with --import: the process kills itself at the n-th file that it puts in its place in MOEUT_TEST_FOLDER, before or after that,
 * as MOEUT_TEST_KILL says ("3 before"): at that point on any machine.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [at, when] = process.env.MOEUT_TEST_KILL.split(" ");
const rename = fs.renameSync;
let count = 0;
const kill = () => {
  process.kill(process.pid, "SIGKILL");
  for (;;); // the signal may take a moment
};
fs.renameSync = (from, to) => {
  const isIt = to.startsWith(process.env.MOEUT_TEST_FOLDER) && ++count === Number(at);
  if (isIt && when === "before") kill();
  rename(from, to);
  if (isIt) kill();
};
syncBuiltinESMExports();
