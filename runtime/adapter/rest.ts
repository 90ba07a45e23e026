/**
 * While a GPU promise is pending, Dawn's binding asks the driver in every turn of the event loop: that keeps a core busy on which a
 * software driver would compute. Sleeping a moment in each of these turns gives it back. (A lower priority of this thread does too,
 * but the system lets nobody raise it again, threads and processes inherit it, and beside other work all else that the thread does
 * starves.)
 */

/** Milliseconds. A long wait ends this much later at most, a short one by a twentieth of itself. */
const LONGEST = 2;
const SHARE = 0.05;

type Method = (...args: unknown[]) => Promise<unknown>;

/** Marks a class that rests already: this module may be evaluated more than once per process. */
const RESTS = Symbol.for("moeut.rests");

/** Makes the thread rest in all waits for devices that come from the same image of Dawn. */
export function restWhileWaiting(device: GPUDevice): void {
  const buffer = device.createBuffer({ label: "any buffer", size: 4, usage: GPUBufferUsage.COPY_DST });
  const waits = [[buffer, "mapAsync"], [device.queue, "onSubmittedWorkDone"], [device, "createComputePipelineAsync"]] as const;
  for (const [object, method] of waits) {
    const prototype = Object.getPrototypeOf(object) as Record<PropertyKey, unknown>;
    if (prototype[RESTS] === true) continue;
    const original = prototype[method] as Method;
    prototype[method] = function (this: unknown, ...args: unknown[]) { return restUntil(original.apply(this, args)); };
    prototype[RESTS] = true;
  }
  buffer.destroy();
}

let pending = 0;
let since = 0;
let resting = false;

/** @returns the same promise */
function restUntil<T>(promise: Promise<T>): Promise<T> {
  if (pending++ === 0) since = performance.now();
  if (!resting) setImmediate(rest);
  resting = true;
  const end = (): void => void pending--;
  promise.then(end, end);
  return promise;
}

const clock = new Int32Array(new SharedArrayBuffer(4));

/** One turn of the event loop. */
function rest(): void {
  resting = pending > 0;
  if (!resting) return;
  Atomics.wait(clock, 0, 0, Math.min(LONGEST, SHARE * (performance.now() - since)));
  setImmediate(rest);
}
