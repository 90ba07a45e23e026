/** Folders that are written into: made, tried, and held by one process at a time. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { EnvironmentError, exitStatusOf, messageOf, UserError } from "../runtime/errors.ts";
import { entriesOf, makeDirectory, requireWritable, withOwnFolder } from "../runtime/files/folder.ts";
import { mayRun, thisProcess } from "../runtime/files/process.ts";
import { writeAtomic } from "../runtime/files/write-atomic.ts";
import { bundled } from "./support/bundled.ts";

const directory = mkdtempSync(join(tmpdir(), "moeut-folder-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(directory, `${count++}`);
const failure = (path: string): Promise<unknown> => withOwnFolder(path, () => "worked").catch((error: unknown) => error);
const LOCK = ".moeut-lock";

const FOLDER_MODULE = JSON.stringify(await bundled("runtime/files/folder.ts"));
const start = (script: string): ChildProcess =>
  spawn(
    process.execPath, ["--input-type=module", "-e", `import { withOwnFolder } from ${FOLDER_MODULE}; ${script}`],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
const ended = (child: ChildProcess): Promise<void> => new Promise((done) => child.on("exit", () => done()));
const line = (child: ChildProcess): Promise<string> =>
  new Promise((done) => child.stdout!.once("data", (text: Buffer) => done(text.toString().trim())));

/** A process of its own that holds the folder until it is killed. */
async function holder(folder: string): Promise<{ readonly pid: number; readonly kill: (signal: NodeJS.Signals) => Promise<void> }> {
  const child = start(`process.on("SIGTERM", () => process.exit(0));
    await withOwnFolder(${JSON.stringify(folder)}, () => { console.log("held"); return new Promise(() => setInterval(() => {}, 1000)); });`);
  expect(await line(child)).toBe("held");
  return { pid: child.pid!, kill: (signal) => (child.kill(signal), ended(child)) };
}

/** Tries to take each of the folders, at one instant per folder that all such processes agree on; says which it has. */
const racer = (folders: readonly string[]): ChildProcess => start(`
  const [folders, has] = [${JSON.stringify(folders)}, []];
  process.stdin.once("data", (text) => {
    folders.forEach((folder, i) => {
      while (Date.now() < Number(text) + 40 * i);
      withOwnFolder(folder, () => { has.push(i); return new Promise(() => {}); }).catch(() => {});
    });
    console.log(JSON.stringify(has));
    setInterval(() => {}, 1000);
  });
  console.log("ready");`);

describe("one process at a time", () => {
  test("a second is refused and told who holds the folder and since when; after an orderly end the next has it", async () => {
    const folder = fresh();
    const first = await holder(folder);
    const error = await failure(folder);
    expect(error).toBeInstanceOf(UserError);
    expect(messageOf(error)).toMatch(new RegExp(`${folder} is in use by process ${first.pid} since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC; wait for it to end, or stop it`));
    await first.kill("SIGTERM");
    expect(existsSync(folder)).toBe(false); // it was made by the first and stayed empty
    expect(await failure(folder)).toBe("worked");
  });

  test("what a crash leaves is taken over", async () => {
    const folder = fresh();
    const first = await holder(folder);
    await first.kill("SIGKILL");
    expect(readdirSync(folder)).toEqual([expect.stringMatching(`^${LOCK}~${first.pid}~`)]);
    expect(await failure(folder)).toBe("worked");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("of several that try at the same instant exactly one has it", async () => {
    const folders = Array.from({ length: 8 }, fresh);
    const racers = Array.from({ length: 3 }, () => racer(folders));
    await Promise.all(racers.map(line));
    const results = racers.map(line);
    const instant = Date.now() + 100;
    for (const child of racers) child.stdin!.write(String(instant));
    const has = (await Promise.all(results)).flatMap((text) => JSON.parse(text) as number[]);
    expect(has.sort((a, b) => a - b)).toEqual(folders.map((_, i) => i));
    await Promise.all(racers.map((child) => (child.kill("SIGKILL"), ended(child))));
  });

  test("within one process too", async () => {
    const folder = fresh();
    await withOwnFolder(folder, async () => expect(messageOf(await failure(folder))).toMatch(/is in use by this process/));
    expect(await failure(folder)).toBe("worked");
  });

  test("a number that another process has by now is not the holder", async () => {
    const folder = fresh();
    mkdirSync(folder);
    const { pid, host } = { ...thisProcess(), pid: process.ppid };
    writeFileSync(join(folder, `${LOCK}~${pid}~00000000-1~${host}`), "");
    expect(await failure(folder)).toBe(process.platform === "win32" ? expect.anything() : "worked");
    expect(entriesOf(folder)).toEqual([]);
  });

  test("a process of another machine cannot be asked: the message names it and the file", async () => {
    const folder = fresh();
    mkdirSync(folder);
    const path = join(folder, `${LOCK}~1~00000000-1~${hostname()}x`);
    writeFileSync(path, "");
    utimesSync(path, 1e9, 1e9);
    expect(messageOf(await failure(folder))).toBe(`${folder} is in use by process 1 on ${hostname()}x since 2001-09-09 01:46:40 UTC; the last file there is of 2001-09-09 01:46:40 UTC; if it no longer runs, remove ${path}`);
    writeFileSync(join(folder, "log.jsonl"), "");
    utimesSync(join(folder, "log.jsonl"), 1e9 + 60, 1e9 + 60);
    expect(messageOf(await failure(folder))).toContain("the last file there is of 2001-09-09 01:47:40 UTC; if");
    rmSync(join(folder, "log.jsonl"));
    expect(readdirSync(folder)).toEqual([path.slice(folder.length + 1)]);
  });

  test("a process that has ended is known as ended, one that runs is not", () => {
    expect(mayRun(thisProcess())).toBe(true);
    expect(mayRun({ ...thisProcess(), pid: spawnSync(process.execPath, ["-e", ""]).pid })).toBe(false);
  });
});

describe("a folder that cannot be written into is known before any work", () => {
  test("trying leaves nothing, where the folder is and where it will be", () => {
    const folder = fresh();
    requireWritable(join(folder, "a", "b"));
    expect(existsSync(folder)).toBe(false);
    mkdirSync(folder);
    requireWritable(folder);
    expect(readdirSync(folder)).toEqual([]);
  });
  const file = (): string => {
    const path = fresh();
    writeFileSync(path, "mine");
    return path;
  };
  test("a file: status 1, and it stays", async () => {
    const path = file();
    const error = await failure(path);
    expect(messageOf(error)).toBe(`${path} is a file; --out takes a folder`);
    expect(exitStatusOf(error)).toBe(1);
    expect(readFileSync(path, "utf8")).toBe("mine");
  });
  test("a path through a file", async () => {
    const path = file();
    const error = await failure(join(path, "a", "b"));
    expect(messageOf(error)).toBe(`cannot write into ${join(path, "a", "b")}: ${path} is a file`);
    expect(exitStatusOf(error)).toBe(1);
  });
  test.skipIf(process.platform === "win32")("links: one to a folder is the folder, one to nothing is named", async () => {
    const [folder, good, dangling] = [fresh(), fresh(), fresh()];
    mkdirSync(folder);
    symlinkSync(folder, good);
    symlinkSync(join(folder, "nothing"), dangling);
    await withOwnFolder(good, () => writeFileSync(join(good, "x"), ""));
    expect(entriesOf(folder)).toEqual(["x"]);
    expect(messageOf(await failure(dangling))).toMatch(/a symbolic link to nothing/);
  });
  test("a name that is too long leaves nothing", async () => {
    const above = fresh();
    const error = await failure(join(above, "a".repeat(3000)));
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(messageOf(error)).toMatch(/ENAMETOOLONG|ENOENT/);
    expect(existsSync(above)).toBe(false);
  });
  test.skipIf(process.platform !== "linux")("where the system has no room for folders: its reason, status 2, and an answer at all", async () => {
    for (const path of ["/proc/x", "/proc/x/y", "/dev/null/x"]) {
      const error = await failure(path);
      expect(exitStatusOf(error), path).toBe(2);
      expect(messageOf(error)).toMatch(/cannot write into .*: (ENOENT|ENOTDIR|EACCES|EPERM): /);
    }
    expect(() => requireWritable("/proc/x/y")).toThrow(/ENOENT|EACCES/);
    expect(() => makeDirectory("/proc/x")).toThrow(/ENOENT|EACCES/);
    expect(() => writeAtomic("/proc/x/y", "")).toThrow(EnvironmentError);
  });
  test("folders that were made stay only if something was put into them", async () => {
    const above = fresh();
    await withOwnFolder(join(above, "b", "c"), () => {});
    expect(existsSync(above)).toBe(false);
    await withOwnFolder(join(above, "b", "c"), () => writeFileSync(join(above, "b", "x"), ""));
    expect(readdirSync(join(above, "b"))).toEqual(["x"]);
  });
});

describe.skipIf(process.platform === "win32")("writeAtomic and what is not a plain file", () => {
  test("a link stays, and what it leads to is replaced", () => {
    const [target, link] = [fresh(), fresh()];
    writeFileSync(target, "old");
    symlinkSync(target, link);
    writeAtomic(link, "new");
    expect(readFileSync(target, "utf8")).toBe("new");
    expect(readdirSync(directory, { withFileTypes: true }).find((entry) => join(directory, entry.name) === link)?.isSymbolicLink())
      .toBe(true);
  });
  test("a device is written to, not replaced", () => {
    writeAtomic("/dev/null", "text");
    expect(spawnSync("test", ["-c", "/dev/null"]).status).toBe(0);
  });
});
