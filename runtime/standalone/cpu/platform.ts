/** What Node and web pages have in common for our purpose: compiled WebAssembly, shared memory, and threads that run a text. */

/** The parts of WebAssembly's interface that are used: the libraries of TypeScript declare it only for pages. */
export type WasmModule = object;
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}
export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}
export interface WasmInterface {
  readonly compile: (bytes: Uint8Array) => Promise<WasmModule>;
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number; readonly shared: true }) => WasmMemory;
  readonly Instance: new (module: WasmModule, imports: { readonly moeut: { readonly memory: WasmMemory } }) => WasmInstance;
}

declare const WebAssembly: WasmInterface;

interface WebWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}
interface Scope {
  readonly Worker?: new (url: string) => WebWorker;
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly process?: NodeJS.Process;
}
const scope = globalThis as unknown as Scope;

export const createMemory = (pages: number): WasmMemory => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });

export const instantiate = (module: WasmModule, memory: WasmMemory): WasmInstance =>
  new WebAssembly.Instance(module, { moeut: { memory } });

/** Asked for in this way and not imported, so that bundlers for pages find nothing that they cannot resolve. */
const builtin = scope.process?.versions?.node === undefined ? null : scope.process.getBuiltinModule.bind(scope.process);

export const availableThreads = (): number => builtin?.("node:os").availableParallelism() ?? scope.navigator?.hardwareConcurrency ?? 1;

/** Whether threads may have memory in common: a page must be cross-origin isolated for it. */
export const mayShare = (): boolean => builtin !== null || (scope.crossOriginIsolated === true && scope.Worker !== undefined);

/**
 * By the optimizing compiler, all at once. Node would begin with code that is quickly made and three times as slow, function by function,
 * and never replaces it in a call that is under way; browsers decide for themselves.
 */
export async function compileWasm(bytes: Uint8Array): Promise<WasmModule> {
  const setFlags = builtin?.("node:v8").setFlagsFromString ?? ((): void => {});
  for (const flag of ["--no-liftoff", "--no-wasm-lazy-compilation"]) setFlags(flag);
  try {
    return await WebAssembly.compile(bytes);
  } finally {
    for (const flag of ["--liftoff", "--wasm-lazy-compilation"]) setFlags(flag);
  }
}

export interface Thread {
  post(message: unknown): void;
  /** Whether the process stays alive for it: at first not. */
  keepAlive(keep: boolean): void;
  stop(): void;
}

export interface ThreadEvents {
  readonly message: (data: unknown) => void;
  /** It ended by itself. */
  readonly lost: (reason: string) => void;
}

/** @param text JavaScript that makes a global function `serve`, which gets the first message and a function that posts one */
export function startThread(text: string, events: ThreadEvents): Thread {
  return builtin === null ? webThread(text, events) : nodeThread(text, events, builtin("node:worker_threads"));
}

function nodeThread(text: string, events: ThreadEvents, { Worker }: typeof import("node:worker_threads")): Thread {
  const start = `const { parentPort } = require("node:worker_threads");
    parentPort.once("message", (message) => serve(message, (answer) => parentPort.postMessage(answer)));`;
  const worker = new Worker(`${text}\n${start}`, { eval: true, execArgv: [] }); // not what this process was started with, such as loaders
  worker.on("message", events.message);
  worker.on("error", (error) => events.lost(String(error)));
  worker.on("exit", (code) => events.lost(`it ended with status ${code}`));
  worker.unref();
  return {
    post: (message) => worker.postMessage(message),
    keepAlive: (keep) => (keep ? worker.ref() : worker.unref()),
    stop: () => void worker.terminate(),
  };
}

function webThread(text: string, events: ThreadEvents): Thread {
  const start = `onmessage = (event) => serve(event.data, (answer) => postMessage(answer));`;
  const url = URL.createObjectURL(new Blob([`${text}\n${start}`], { type: "text/javascript" }));
  const worker = new scope.Worker!(url);
  worker.onmessage = ({ data }) => events.message(data);
  worker.onerror = ({ message }) => events.lost(message ?? "it could not be started");
  return { post: (message) => worker.postMessage(message), keepAlive: () => {}, stop: () => worker.terminate() };
}
