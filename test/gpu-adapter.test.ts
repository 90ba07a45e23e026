import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, test } from "vitest";
import { openDevice } from "../runtime/adapter/index.ts";
import { findAdapters } from "../runtime/adapter/find.ts";
import { selfTest } from "../runtime/adapter/self-test.ts";
import { unpackSwiftshader } from "../runtime/adapter/swiftshader.ts";
import { EnvironmentError } from "../runtime/errors.ts";

const found = await findAdapters(undefined);
const kinds = [...new Set(found.candidates.map((candidate) => candidate.kind))].filter((kind) => kind !== "cpu"); // has no device

describe.each(kinds)("adapter %s", (kind) => {
  test("opens when forced, passes the self-test and says why", async () => {
    const { device, info, checkErrors, close } = await openDevice({ adapter: kind });
    expect(info.kind).toBe(kind);
    expect(info.why).toBe(`forced by --adapter ${kind}`);
    expect(info.limits.maxComputeInvocationsPerWorkgroup).toBeGreaterThanOrEqual(256);
    expect(info.limits.maxStorageBufferBindingSize).toBe(device.limits.maxStorageBufferBindingSize);
    if (info.features.includes("subgroups")) expect(info.subgroupMin).toBeGreaterThanOrEqual(4);
    checkErrors();
    close();
  });

  test("records the first uncaptured error", async () => {
    const handle = await openDevice({ adapter: kind });
    const mistake = (label: string): Promise<Event> => new Promise((done) => {
      handle.device.addEventListener("uncapturederror", done, { once: true });
      handle.device.createBuffer({ label, size: 16, usage: 0 });
    });
    await mistake("first mistake");
    await mistake("second mistake");
    expect(handle.firstError()?.message).toContain("first mistake");
    expect(() => handle.checkErrors()).toThrow("first mistake");
    handle.close();
  });

  test("reports the loss of a device, but not its intended end", async () => {
    const losses: Error[] = [];
    const options = { adapter: kind, onLost: (error: Error) => losses.push(error) };
    const lost = await openDevice(options);
    const closed = await openDevice(options);
    lost.device.destroy();
    closed.close();
    await Promise.all([lost.device.lost, closed.device.lost]);
    expect(losses).toHaveLength(1);
    expect(losses[0]).toBeInstanceOf(EnvironmentError);
    expect(() => lost.checkErrors()).toThrow(/was lost \(destroyed\)/);
    expect(closed.firstError()).toBeNull();
  });
});

describe.each(kinds.filter((kind) => kind === "lavapipe" || kind === "swiftshader"))("waiting for %s", (kind) => {
  const LONG = `
    @group(0) @binding(0) var<storage, read_write> x: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      for (var i = 0u; i < 3000u; i++) { x[id.x] = x[id.x] * 0.999 + 1.0; }
    }`;

  test("leaves the processor to the driver, and the thread its priority", async () => {
    const before = getPriority();
    const { device, close } = await openDevice({ adapter: kind });
    expect(getPriority()).toBe(before);
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module: device.createShaderModule({ code: LONG }) } });
    const buffer = device.createBuffer({ size: 4 * 64 * 64, usage: GPUBufferUsage.STORAGE });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }),
    );
    pass.dispatchWorkgroups(64);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const started = performance.now();
    let [turns, done] = [0, false];
    const count = (): void => {
      turns++;
      if (!done) setImmediate(count);
    };
    count();
    await device.queue.onSubmittedWorkDone();
    done = true;
    // Without a rest there are tens of turns per millisecond, on an idle machine.
    expect(turns).toBeLessThan(100 + (performance.now() - started));
    close();
  });
});

test("pipelines live as long as their device, so that equal ones need not be compiled again", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { device, close } = await openDevice({ adapter: "null" });
  const make = async (): Promise<WeakRef<GPUComputePipeline>> =>
    new WeakRef(await device.createComputePipelineAsync({ layout: "auto", compute: { module: device.createShaderModule({ code: "@compute @workgroup_size(1) fn main() {}" }) } }));
  const pipeline = await make();
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate); // a weak reference that was made or read holds its object until the turn ends
    collect();
  }
  expect(pipeline.deref()).toBeDefined();
  close();
});

test("without a request, real GPUs come first, then lavapipe, then SwiftShader", async () => {
  const saved = process.env["MOEUT_ADAPTER"];
  delete process.env["MOEUT_ADAPTER"];
  try {
    const handle = await openDevice();
    const best = (["gpu", "lavapipe", "swiftshader"] as const).find((kind) => kinds.includes(kind));
    expect(handle.info.kind).toBe(best);
    handle.close();
  } finally {
    if (saved !== undefined) process.env["MOEUT_ADAPTER"] = saved;
  }
});

test("a driver that computes nothing does not pass the self-test", async () => {
  const { device, close } = await openDevice({ adapter: "null" }); // its buffers hold whatever was in memory
  const attempt = selfTest(device, "broken", 4);
  await expect(attempt).rejects.toThrow(EnvironmentError);
  await expect(attempt).rejects.toThrow(/the adapter "broken" computes wrong results in a self-test \(\w+.*: lane \d+ gives .*, not /);
  close();
});

test("an adapter that does not exist is the environment's fault and lists those that do", async () => {
  const attempt = openDevice({ adapter: "voodoo" });
  await expect(attempt).rejects.toThrow(EnvironmentError);
  await expect(attempt).rejects.toThrow(/no adapter matches "voodoo" \(--adapter\); available here: .*null/);
});

test("several devices may live in one process, also of different drivers", async () => {
  const handles = await Promise.all([...kinds, ...kinds].map((kind) => openDevice({ adapter: kind })));
  expect(handles.map((handle) => handle.info.kind)).toEqual([...kinds, ...kinds]);
  for (const handle of handles) await handle.device.queue.onSubmittedWorkDone();
  for (const handle of handles) handle.close();
});

describe.runIf(kinds.includes("swiftshader"))("unpacking SwiftShader", () => {
  const cache = mkdtempSync(join(tmpdir(), "moeut-unpack-"));
  afterAll(() => rmSync(cache, { recursive: true }));

  test("happens once and leaves nothing but the finished directory", () => {
    const first = unpackSwiftshader(cache);
    expect(readdirSync(first.directory).sort()).toEqual(["dawn.node", "libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"]);
    expect(existsSync(first.dawn)).toBe(true);
    expect(unpackSwiftshader(cache)).toEqual(first);
    expect(readdirSync(cache)).toHaveLength(1);
  });
});
