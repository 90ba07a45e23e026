/**
 * The only place that calls Dawn's `create`. Whatever it returns is kept for the life of the process: nothing else keeps
 * the instance alive, and a collected instance crashes the process at a later turn of the event loop.
 */
import { join } from "node:path";
import { cacheDirectory } from "../cache.ts";
import { EnvironmentError, messageOf } from "../errors.ts";
import { withoutNoise } from "./quiet.ts";
import { swiftshaderProblem, unpackSwiftshader } from "./swiftshader.ts";

/** system: what the machine's drivers offer. bundled: SwiftShader from npm with its own loader. null: validates, executes nothing. */
export type DriverSource = "system" | "bundled" | "null";

interface Dawn {
  readonly create: (flags: string[]) => GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

/** On globalThis and not in this module, because a test runner may evaluate the module more than once per process. */
const HELD = Symbol.for("moeut.dawn");
interface Held {
  readonly instances: Map<string, GPU>;
  bundled: Dawn | null;
  systemLoader: boolean | null;
  turn: Promise<unknown>;
}

function held(): Held {
  const store = globalThis as { [HELD]?: Held };
  return (store[HELD] ??= { instances: new Map(), bundled: null, systemLoader: null, turn: Promise.resolve() });
}

/** The system has a Vulkan loader that can be opened. Where Vulkan is not the way to the GPU, always true. */
export function hasSystemLoader(): boolean {
  return (held().systemLoader ??= process.platform !== "linux" || opens("libvulkan.so.1"));
}

function opens(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library);
    return true;
  } catch (error) {
    // A library that opens but is no Node addon fails with another message.
    return messageOf(error).includes("did not self-register");
  }
}

/** Names of the adapters of a source, best first as Dawn sees it. Dawn lists them when asked for one that does not exist. */
export async function adapterNames(source: DriverSource): Promise<readonly string[]> {
  if (source === "null") return ["null"];
  try {
    await requestAdapter(source, ["adapter=\u0001none"]);
    return [];
  } catch (error) {
    if (error instanceof EnvironmentError) throw error;
    return [...messageOf(error).matchAll(/backend: '[^']*', name: '([^']*)'/g)].map((match) => match[1]!);
  }
}

/** Resolves to null when the source has no adapter, rejects when a flag excludes those it has. */
export function requestAdapter(source: DriverSource, flags: readonly string[]): Promise<GPUAdapter | null> {
  // One after the other: which driver answers depends on environment variables while it is asked.
  const result = held().turn.then(() => request(source, flags));
  held().turn = result.catch(() => null);
  return result;
}

async function request(source: DriverSource, flags: readonly string[]): Promise<GPUAdapter | null> {
  const previous = driverFiles(source);
  try {
    const gpu = await instance(source, flags);
    return await withoutNoise(() => gpu.requestAdapter({ powerPreference: "high-performance" }));
  } finally {
    restore(previous);
  }
}

async function instance(source: DriverSource, flags: readonly string[]): Promise<GPU> {
  const key = JSON.stringify([source, ...flags]);
  const known = held().instances.get(key);
  if (known !== undefined) return known;
  // Mesa keeps compiled shaders on disk: seconds saved in every later process.
  process.env["MESA_SHADER_CACHE_DIR"] ??= join(cacheDirectory(), "mesa");
  const dawn = source === "bundled" ? bundledDawn() : ((await import("webgpu")) as Dawn);
  defineConstants(dawn.globals);
  const gpu = dawn.create([...flags]);
  held().instances.set(key, gpu);
  return gpu;
}

/** GPUBufferUsage and its like are globals, as in a browser. Classes are not: two images of Dawn may be loaded, each with its own. */
function defineConstants(globals: Dawn["globals"]): void {
  const scope = globalThis as Record<string, unknown>;
  for (const name of ["GPUBufferUsage", "GPUMapMode", "GPUShaderStage"]) scope[name] ??= globals[name];
}

function bundledDawn(): Dawn {
  const known = held().bundled;
  if (known !== null) return known;
  hasSystemLoader(); // asked before the bundled loader is in the process, which would answer for the system's
  const module: { exports: unknown } = { exports: {} };
  const { dawn } = bundledDriver();
  try {
    process.dlopen(module, dawn);
  } catch (error) {
    throw new EnvironmentError(`cannot load ${dawn}: ${messageOf(error)}`);
  }
  return (held().bundled = module.exports as Dawn);
}

function bundledDriver(): ReturnType<typeof unpackSwiftshader> {
  const problem = swiftshaderProblem();
  if (problem !== null) throw new EnvironmentError(`SwiftShader is not available: ${problem}`);
  return unpackSwiftshader(cacheDirectory());
}

const DRIVER_VARIABLES = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] as const; // the second is what old loaders know
type Previous = Readonly<Partial<Record<(typeof DRIVER_VARIABLES)[number], string | undefined>>>;

/**
 * Points the Vulkan loader at the bundled driver alone; returns what to restore. The loader reads this when an adapter is first
 * requested.
 */
function driverFiles(source: DriverSource): Previous {
  if (source !== "bundled") return {};
  const { icd } = bundledDriver();
  const previous = Object.fromEntries(DRIVER_VARIABLES.map((name) => [name, process.env[name]]));
  for (const name of DRIVER_VARIABLES) process.env[name] = icd;
  return previous;
}

function restore(previous: Previous): void {
  for (const [name, value] of Object.entries(previous)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}
