import { EnvironmentError } from "../errors.ts";

/** Collects what goes wrong on a device outside any promise: the first uncaptured error, or the loss of the device. */
export interface DeviceWatch {
  firstError(): Error | null;
  /** After this the loss of the device is intended. */
  stop(): void;
}

/**
 * Errors cascade, so only the first is kept. Without preventDefault the binding would print each on standard output, amid the
 * data of a command that writes there.
 */
export function watchDevice(device: GPUDevice, name: string, onLost: ((error: Error) => void) | undefined): DeviceWatch {
  let first: Error | null = null;
  let stopped = false;
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    first ??= readable(event.error, name);
  });
  void device.lost.then((info) => {
    if (stopped) return;
    const error = new EnvironmentError(`the device "${name}" was lost (${info.reason}): ${info.message || "the driver gives no reason"}`);
    first ??= error;
    onLost?.(error);
  });
  return { firstError: () => first, stop: () => void (stopped = true) };
}

/** Too little memory is the machine's fault; an invalid call is a bug. */
function readable(error: GPUError, name: string): Error {
  const isMemory = error.constructor.name === "GPUOutOfMemoryError";
  if (isMemory) return new EnvironmentError(`the device "${name}" is out of memory: ${error.message}`);
  return new Error(`WebGPU reports an invalid use of the device "${name}": ${error.message}`);
}
