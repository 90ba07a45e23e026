/**
 * In a real Chromium: an emitted folder, with a tokenizer of its own, on WebGPU, on threads and on one, to the same text as under Node;
 * and a report on a phone.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeStepTimes } from "../runtime/compare/folder.ts";
import { compare, variant } from "./support/bigram-compare.ts";
import { chromiumProblem, openChromium, unpackChromium, WITH_WEBGPU, type Chromium } from "./support/chromium.ts";
import { ROOT } from "./support/cli.ts";
import { emitTrained, node, OPTIONS, PROMPT, textOfCommand } from "./support/emitted.ts";
import { WEBGPU } from "./support/gpu.ts";

const work = mkdtempSync(join(tmpdir(), "moeut-browser-"));
const folder = join(work, "tiny");
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm",
};
const WANTED = JSON.stringify([PROMPT, OPTIONS.maxTokens, OPTIONS.temperature, OPTIONS.seed]);
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Names of the files that were asked for, of those that a page loads itself. */
let fetched: string[] = [];

function serve(headers: Readonly<Record<string, string>>): Promise<Server> {
  const server = createServer(({ url }, response) => {
    const name = normalize(new URL(url!, "http://localhost").pathname).slice(1);
    fetched.push(name);
    const path = join(folder, name);
    response.writeHead(existsSync(path) ? 200 : 404, { ...headers, "Content-Type": TYPES[extname(name)] ?? "application/octet-stream" });
    response.end(existsSync(path) ? readFileSync(path) : "");
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

/** Continues the prompt on index.html. */
const CONTINUE = `(async () => {
  const until = (done) => new Promise((end) => { const timer = setInterval(() => done() && (clearInterval(timer), end()), 20); });
  const at = (id) => document.getElementById(id);
  const button = document.querySelector("button");
  await until(() => at("where").textContent !== "loading …");
  const { prompt, tokens, temperature, seed } = at("form").elements;
  [prompt.value, tokens.value, temperature.value, seed.value] = ${WANTED};
  if (!button.disabled) at("form").requestSubmit();
  if (button.disabled) await until(() => !button.disabled);
  return { where: at("where").textContent, text: at("text").textContent, isolated: crossOriginIsolated };
})()`;

interface Continued {
  readonly where: string;
  readonly text: string;
  readonly isolated: boolean;
}

const problem = chromiumProblem();
if (problem !== null) console.warn(`skipped: no Chromium (${problem})`);

describe.skipIf(problem !== null)("an emitted folder in Chromium", () => {
  let [program, run] = ["", ""];
  let servers: readonly Server[] = [];
  beforeAll(async () => {
    program = unpackChromium(join(work, "chromium"));
    ({ run } = await emitTrained(work, 300));
    servers = [await serve(ISOLATED), await serve({})];
  });
  afterAll(() => {
    for (const server of servers) server.close();
    rmSync(work, { recursive: true, force: true });
  });

  /** Null, with the reason on the console, where this machine cannot start it. */
  const started = (name: string, flags: readonly string[]): Promise<Chromium | null> =>
    openChromium(program, join(work, name), flags).catch((error: Error) => (console.warn(`skipped: ${error.message}`), null));

  async function continued(chromium: Chromium, server: number, query: string): Promise<Continued> {
    fetched = [];
    const { port } = servers[server]!.address() as AddressInfo;
    return await chromium.evaluate(`http://127.0.0.1:${port}/index.html${query}`, CONTINUE) as Continued;
  }
  const data = (): readonly string[] => fetched.filter((name) => !/\.(html|js)$|^favicon/.test(name)).sort();

  test("on WebGPU gives the text that it gives under Node on WebGPU", async ({ skip }) => {
    const chromium = await started("with", WITH_WEBGPU);
    if (chromium === null) return skip("Chromium does not start");
    const { where, text } = await continued(chromium, 0, "?on=gpu");
    expect(where).toBe("on google swiftshader");
    expect(data()).toEqual(["plan.json", "tokenizer.json", "weights.safetensors"]);
    writeFileSync(join(work, "program.mts"), `
      import { openDevice } from ${JSON.stringify(join(ROOT, "runtime/adapter/index.ts"))};
      import { load } from "./tiny/model.js";
      const model = await load((await openDevice({ adapter: ${JSON.stringify(WEBGPU[0])} })).device);
      let text = "";
      for await (const piece of model.complete(${JSON.stringify(PROMPT)}, ${JSON.stringify(OPTIONS)})) text += piece;
      console.log(JSON.stringify(text));
      process.exit(0);`);
    const printed = node(["--import", join(ROOT, "node_modules/tsx/dist/esm/index.mjs"), "program.mts"], work);
    expect(text).toBe(PROMPT + (JSON.parse(printed) as string));
    await chromium.close();
  });

  test("without WebGPU gives the text of the command line, on threads if it is cross-origin isolated, else on one", async ({ skip }) => {
    const expected = PROMPT + await textOfCommand(run, "cpu");
    const chromium = await started("without", []);
    if (chromium === null) return skip("Chromium does not start");
    for (const [server, isolated] of [[0, true], [1, false]] as const) {
      expect(await continued(chromium, server, "")).toEqual({ where: "on the processor", text: expected, isolated });
      expect(data()).toEqual(["cpu.json", "cpu.wasm", "tokenizer.json", "weights.safetensors"]);
    }
    await chromium.close();
  });

  test("with an adapter that only imitates a GPU takes the processor, and says which file is missing", async ({ skip }) => {
    const chromium = await started("imitated", WITH_WEBGPU);
    if (chromium === null) return skip("Chromium does not start");
    expect((await continued(chromium, 0, "")).where).toBe("on the processor");
    rmSync(join(folder, "plan.json"));
    const { port } = servers[0]!.address() as AddressInfo;
    const where = `new Promise((end) => { const timer = setInterval(() => {
      const { textContent } = document.getElementById("where");
      if (textContent !== "loading …") (clearInterval(timer), end(textContent));
    }, 20); })`;
    expect(await chromium.evaluate(`http://127.0.0.1:${port}/index.html?on=gpu`, where))
      .toMatch(/^the file plan\.json of this model is missing: cannot read http:.*plan\.json \(404 Not Found\)$/);
    await chromium.close();
  });

  test("a comparison's report is as wide as a phone, names its drawings and asks for nothing", async ({ skip }) => {
    const out = join(work, "report");
    const names = ["fast", "slow_with_a_name_that_is_rather_long"];
    writeStepTimes(out, {
      format: 1, adapter: { kind: "none", name: "none" },
      variants: Object.fromEntries(names.map((name, i) => [name, { specHash: name, rounds: [1, i + 1] }])),
    });
    await compare(out, [variant(names[0]!, { passes: 2 }), variant(names[1]!, { lr: 0.01 })], [0, 1], {}, { depths: [1, 4] });
    const chromium = await started("phone", []);
    if (chromium === null) return skip("Chromium does not start");
    expect(await chromium.evaluate("about:blank", onPhone(readFileSync(join(out, "report.html"), "utf8"))))
      .toEqual({ tooWide: 0, drawings: 7, named: 7, requests: 0 });
    await chromium.close();
  });
});

/** What a page is like in a frame that is 390 pixels wide. */
const onPhone = (html: string): string => `new Promise((done) => {
  const frame = document.createElement("iframe");
  Object.assign(frame, { srcdoc: ${JSON.stringify(html)}, width: 390, height: 844, style: "border: 0" });
  frame.onload = () => {
    const { contentDocument: page, contentWindow: view } = frame;
    const all = (selector) => [...page.querySelectorAll(selector)];
    done({
      tooWide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
      drawings: all("svg").length, named: all('svg[role="img"][aria-label]').length,
      requests: view.performance.getEntriesByType("resource").length,
    });
  };
  document.body.append(frame);
})`;
