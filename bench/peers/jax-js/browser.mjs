/** What jax-js expects of a browser and Node 20 lacks: web workers for its threads, navigator with WebGPU, iterators that map. */
import { resolveObjectURL } from "node:buffer";
import { createRequire } from "node:module";
import { Worker as NodeWorker } from "node:worker_threads";

const PRELUDE = `
  const { parentPort } = require("node:worker_threads");
  globalThis.self = globalThis;
  globalThis.postMessage = (message) => parentPort.postMessage(message);
  parentPort.on("message", (data) => self.onmessage({ data }));
`;

/** A web worker, as far as messages go; the script comes from a blob, which cannot be read at once. */
class Worker {
  #worker = null;
  #started;
  onmessage = () => {};
  onerror = () => {};

  constructor(url) {
    this.#started = resolveObjectURL(url).text().then((script) => {
      this.#worker = new NodeWorker(PRELUDE + script, { eval: true });
      this.#worker.on("message", (data) => this.onmessage({ data }));
      this.#worker.on("error", (error) => this.onerror(error));
    });
  }

  postMessage(message) {
    if (this.#worker !== null) this.#worker.postMessage(message);
    else this.#started.then(() => this.#worker.postMessage(message));
  }
}

/** @param adapter name of the adapter for WebGPU, or null for none */
export function imitateBrowser(threads, adapter) {
  const navigator = { userAgent: "Node", hardwareConcurrency: threads, gpu: adapter === null ? undefined : gpuOf(adapter) };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  globalThis.Worker = Worker;
  iterators.map ??= function* (change) {
    for (const item of this) yield change(item);
  };
  iterators.filter ??= function* (keep) {
    for (const item of this) if (keep(item)) yield item;
  };
  iterators.toArray ??= function () {
    return [...this];
  };
}

const iterators = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

function gpuOf(adapter) {
  const { create, globals } = createRequire(import.meta.url)("webgpu");
  Object.assign(globalThis, globals);
  return create([`adapter=${adapter}`]);
}
