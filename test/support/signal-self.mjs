/**
 * Preloaded into a process that a test wants stopped at a certain point: sends it MOEUT_TEST_SIGNAL when it writes what matches
 * MOEUT_TEST_SIGNAL_AT on its error output, once. From outside, the signal would come however late this machine is.
 */
const { MOEUT_TEST_SIGNAL: signal, MOEUT_TEST_SIGNAL_AT: pattern } = process.env;
const write = process.stderr.write.bind(process.stderr);
let sent = false;
process.stderr.write = (text, ...rest) => {
  const result = write(text, ...rest);
  if (!sent && new RegExp(pattern).test(text)) sent = process.kill(process.pid, signal);
  return result;
};
