import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openAnyAdapter } from "../api/session.ts";
import { doctor, renderDoctor } from "../runtime/adapter/index.ts";
import { adviceFor } from "../runtime/adapter/advice.ts";
import { quieted } from "../runtime/adapter/quiet.ts";
import { swiftshaderProblem } from "../runtime/adapter/swiftshader.ts";
import { bundled } from "./support/bundled.ts";

const cache = mkdtempSync(join(tmpdir(), "moeut-bare-"));
afterAll(() => rmSync(cache, { recursive: true }));

const ADAPTER = await bundled("runtime/adapter/index.ts");
const script = (body: string): readonly string[] => ["--input-type=module", "-e", `import * as adapter from ${JSON.stringify(ADAPTER)};\n${body}`];
const OPEN = `const { info, close } = await adapter.openDevice(); console.log(info.kind + ": " + info.why); close();`;
const environment = (changes: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({ ...process.env, MOEUT_CACHE_DIR: cache, MOEUT_ADAPTER: "", ...changes });

/** A mount namespace in which the system has no Vulkan loader, if this machine lets us make one. */
const HIDE_LOADER = `for f in $(ldconfig -p | sed -n 's/.*libvulkan[.]so[.]1.* => //p'); do mount --bind /dev/null "$f" || exit 9; done; exec "$0" "$@"`;
const hidden = (command: string, args: readonly string[]) => spawnSync("unshare", ["--map-root-user", "--mount", "bash", "-c", HIDE_LOADER, command, ...args], { encoding: "utf8", env: environment({}) });
const canHide = process.platform === "linux" && hidden("true", []).status === 0;

describe.runIf(swiftshaderProblem() === null)("a machine without a usable Vulkan driver", () => {
  test("has a loader and no driver: SwiftShader works", () => {
    const { stdout } = spawnSync(process.execPath, script(OPEN), { encoding: "utf8", env: environment({ VK_DRIVER_FILES: "/dev/null", VK_ICD_FILENAMES: "/dev/null" }) });
    expect(stdout).toMatch(/^swiftshader: neither a GPU nor a usable lavapipe was found/);
  });

  test.runIf(canHide)("has no loader: SwiftShader works with its own", () => {
    const { stdout, stderr } = hidden(process.execPath, script(`${OPEN} console.log((await adapter.doctor()).notes.join());`));
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^swiftshader: .*\nthe system has no Vulkan loader \(libvulkan[.]so[.]1\)\n$/);
  });

  test("four processes may unpack SwiftShader at once", async () => {
    const empty = mkdtempSync(join(cache, "race-"));
    const run = (): Promise<number | null> => new Promise((done) => spawn(process.execPath, script(OPEN), { env: environment({ MOEUT_CACHE_DIR: empty, MOEUT_ADAPTER: "swiftshader" }) }).on("exit", done));
    expect(await Promise.all([run(), run(), run(), run()])).toEqual([0, 0, 0, 0]);
    expect(readdirSync(empty).filter((name) => name.startsWith("swiftshader"))).toHaveLength(1);
  });
});

describe.runIf(process.platform === "linux")("standard error", () => {
  const noisy = `console.error("before"); setImmediate(() => process.stderr.write("during\\n", done)); let done; const said = new Promise((resolve) => (done = resolve)); ${OPEN} await said; console.error("after");`;
  const bash = (body: string, command: string): string =>
    spawnSync("bash", ["-c", `run() { "$0" "$@"; }; ${command}`, process.execPath, ...script(body)], { encoding: "utf8", env: environment({ LOG: join(cache, "log") }) }).stdout;
  const answer = expect.stringMatching(/^\w+: /);

  test.each([
    { where: "a pipe", command: `run "$@" 2>&1 >/dev/null | cat`, want: ["before", "during", "after"] },
    { where: "a file", command: `run "$@" >/dev/null 2>"$LOG"; cat "$LOG"`, want: ["before", "during", "after"] },
    { where: "the end of a file", command: `echo first >"$LOG"; run "$@" >/dev/null 2>>"$LOG"; echo last >>"$LOG"; cat "$LOG"`, want: ["first", "before", "during", "after", "last"] },
    { where: "a file that standard output shares", command: `run "$@" >"$LOG" 2>&1; cat "$LOG"`, want: ["before", "during", answer, "after"] },
    { where: "a file that a shell shares", command: `(echo first; run "$@"; echo last) >"$LOG" 2>&1; cat "$LOG"`, want: ["first", "before", "during", answer, "after", "last"] },
  ])("keeps the program's lines and loses the driver's, in $where", ({ command, want }) => {
    expect(bash(noisy, command).split("\n")).toEqual([...want, ""]);
  });

  test("and in a socket, which parents in Node give", () => {
    const { stdout, stderr } = spawnSync(process.execPath, script(noisy), { encoding: "utf8", env: environment({}) });
    expect(stderr.split("\n")).toEqual(["before", "during", "after", ""]);
    expect(stdout.split("\n")).toEqual([answer, ""]);
  });

  test.each(["2>&1 >/dev/null | cat", `>/dev/null 2>"$LOG"; cat "$LOG"`])("what was written before a sudden end is there: %s", (redirection) => {
    const killed = `console.error("before"); setImmediate(() => { console.error("during"); process.kill(process.pid, "SIGKILL"); }); ${OPEN}`;
    expect(bash(killed, `run "$@" ${redirection}`)).toMatch(/^before\n(.*\n)*during\n/);
  });
});

test.each([
  { why: "Dawn's limits", text: "a\nWarning: maxDynamicUniformBuffersPerPipelineLayout artificially reduced from 15 to 11\nb\n", want: "a\nb\n" },
  { why: "a driver that Dawn refuses", text: "Warning: Vulkan feature required.\n - While initializing adapter (backend=BackendType::Vulkan)\n    at InitializeImpl (/x/dawn/src/P.cpp:257)\n\nb\n", want: "b\n" },
  { why: "what drivers say of errors stays, and so does an empty line elsewhere", text: "a\n\nMESA: error: no memory\nno end of line", want: "a\n\nMESA: error: no memory\nno end of line" },
])("noise: $why", ({ text, want }) => {
  expect(quieted(text)).toBe(want);
});

describe("doctor", () => {
  test("names the chosen adapter, why, and what would be faster", async () => {
    const report = await doctor(() => openAnyAdapter({ adapter: "null" }));
    expect(report).toMatchObject({ node: process.versions.node, problem: null, chosen: { kind: "null", why: "forced by --adapter null" } });
    expect(renderDoctor(report)).toMatch(/^Node \d+.*\n[^]*\n {2}\* null .*\n[^]*using null: forced by --adapter null/);
  });

  test("says what is wrong instead of throwing", async () => {
    const report = await doctor(() => openAnyAdapter({ adapter: "voodoo" }));
    expect(report.chosen).toBeNull();
    expect(renderDoctor(report)).toContain('no adapter is usable: no adapter matches "voodoo"');
  });

  test.each([
    { why: "a GPU needs no advice", kinds: ["gpu", "lavapipe", "null"], platform: "linux", want: [] },
    { why: "software drivers", kinds: ["swiftshader", "cpu", "lavapipe", "null"], platform: "linux", want: [/GPU would be faster/] },
    { why: "a Mac without a GPU", kinds: ["cpu", "null"], platform: "darwin", want: [/update the graphics driver/] },
  ] as const)("advice: $why", ({ kinds, platform, want }) => {
    const advice = adviceFor(kinds.map((kind) => ({ kind, name: kind, source: "system" })), platform).join("\n");
    for (const pattern of want) expect(advice).toMatch(pattern);
    if (want.length === 0) expect(advice).toBe("");
  });
});
