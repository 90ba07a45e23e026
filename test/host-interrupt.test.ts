/** Signals end a process with 128 + n: at once where nothing is lost, and after an orderly end where something is. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { bigramRun } from "./support/bigram-run.ts";
import { bundled } from "./support/bundled.ts";
import { ROOT } from "./support/cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "moeut-interrupt-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const INTERRUPT = await bundled("cli/interrupt.ts");
const FOLDER = await bundled("runtime/files/folder.ts");
const READ = await bundled("runtime/data/read.ts");

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly stdout: string;
}

/** Runs a script; each line it writes may be answered by a signal, and what it says on standard error by anything. */
function run(
  script: string, answers: Readonly<Record<string, NodeJS.Signals>>, said: Readonly<Record<string, (child: ChildProcess) => void>> = {},
): Promise<Ended> {
  const imports = `import { endingAtOnce, interruptible, watchInterrupt } from ${JSON.stringify(INTERRUPT)};
    import { withOwnFolder } from ${JSON.stringify(FOLDER)};
    const forever = () => new Promise(() => setInterval(() => {}, 1000));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", `${imports}${script}`], {
    cwd: ROOT, stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    said[text]?.(child);
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (const line of text.split("\n")) if (answers[line] !== undefined) child.kill(answers[line]);
  });
  return new Promise((done) => child.on("close", (status, signal) => done({ status, signal, stdout, stderr })));
}

describe.skipIf(process.platform === "win32")("signals", () => {
  const ORDERLY = `const interrupt = watchInterrupt("asked to stop", () => "half is left");
    console.log("ready");
    while (!interrupt.requested()) await new Promise((done) => setTimeout(done, 5));
    console.log("saved");
    interrupt.dispose();`;

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s: an orderly end has its status", async (signal) => {
    const { status, stdout, stderr } = await run(ORDERLY, { ready: signal });
    expect(stdout).toBe("ready\nsaved\n");
    expect(stderr).toBe("\nasked to stop\n");
    expect(status).toBe(128 + constants.signals[signal]);
  });

  test("a second signal ends at once, with its own status, and says what is left", async () => {
    const { status, stdout, stderr } = await run(`const interrupt = watchInterrupt("asked to stop", () => "half is left");
      console.log("ready");
      while (!interrupt.requested()) await new Promise((done) => setTimeout(done, 5));
      console.log("still at it");
      await forever();`, { ready: "SIGINT", "still at it": "SIGTERM" });
    expect(stdout).toBe("ready\nstill at it\n");
    expect(stderr).toBe("\nasked to stop\n\nstopped at once; half is left\n");
    expect(status).toBe(143);
  });

  test("where nothing would be lost it ends at once, without a stack, and gives its folder back", async () => {
    const folder = join(scratch, "owned");
    const { status, stderr } = await run(`await interruptible(() => withOwnFolder(${JSON.stringify(folder)}, () => (console.log("ready"), forever())))();`, { ready: "SIGHUP" });
    expect(stderr).toBe("");
    expect(status).toBe(129);
    expect(readdirSync(scratch)).not.toContain("owned");
  });

  test("a signal on its way while the listeners change is not lost", async () => {
    const { status, stdout } = await run(`await interruptible(async () => {
      process.kill(process.pid, "SIGINT");
      ${ORDERLY}
    })();`, {});
    expect({ status, stdout }).toEqual({ status: 130, stdout: "ready\nsaved\n" });
  });

  test("in work that does not wait a signal ends the process as the system does, and behind it it is heard again", async () => {
    const busy = `await interruptible(async () => {
      endingAtOnce(() => console.log("planning"));
      endingAtOnce(() => { console.log("busy"); for (;;); });
    })();`;
    expect(await run(busy, { busy: "SIGINT" })).toMatchObject({ status: null, signal: "SIGINT", stdout: "planning\nbusy\n" });
    const behind = `await interruptible(async () => { endingAtOnce(() => {}); console.log("ready"); await forever(); })();`;
    expect(await run(behind, { ready: "SIGTERM" })).toMatchObject({ status: 143, signal: null });
  });

  test("a named pipe without a writer: that is said, and what comes at last is read; a signal ends the waiting", async () => {
    const pipe = join(scratch, "pipe");
    execFileSync("mkfifo", [pipe]);
    const read = `import { readBytes } from ${JSON.stringify(READ)};
      await interruptible(async () => console.log(Buffer.from(endingAtOnce(() => readBytes(${JSON.stringify(pipe)}))).toString()))();`;
    const said = `waiting for something to write into the pipe ${pipe} …\n`;
    const reading = run(read, {}, { [said]: () => void spawn("sh", ["-c", `echo one > "${pipe}"`]) });
    expect(await reading).toMatchObject({ status: 0, stdout: "one\n\n", stderr: said });
    expect(await run(read, {}, { [said]: (child) => void child.kill("SIGINT") })).toMatchObject({ signal: "SIGINT", stdout: "" });
  });

  test("after the work that is to be saved, a signal ends at once again", async () => {
    const { status, stderr } = await run(`await interruptible(async () => {
      watchInterrupt("asked to stop", () => "").dispose();
      console.log("ready");
      await forever();
    })();`, { ready: "SIGINT" });
    expect({ status, stderr }).toEqual({ status: 130, stderr: "" });
  });
});

test("a run that was quit before its first checkpoint says so when it goes on", () => {
  const folder = join(scratch, "early");
  bigramRun({ folder });
  const notes: string[] = [];
  expect(bigramRun({ folder, resume: true, note: (text) => notes.push(text) }).done).toBe(0);
  expect(notes).toEqual([`${folder} holds no checkpoint: the run starts from the first step`]);
});
