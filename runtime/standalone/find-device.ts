/** A GPU for a model, if there is one. */

/**
 * Null where there is no WebGPU, no adapter, only one that imitates a GPU on the processor (the model's own code for that is faster), or
 * none that has what the model needs.
 * @param gpu `navigator.gpu` of a page, or what `create` of the package webgpu gives: it must stay reachable as long as the device is used
 * @param needs the DEVICE of the model
 */
export async function findDevice(gpu: GPU | undefined, needs: GPUDeviceDescriptor): Promise<GPUDevice | null> {
  const adapter = (await gpu?.requestAdapter()) ?? null;
  if (adapter === null || adapter.info.isFallbackAdapter) return null;
  return adapter.requestDevice(needs).catch(() => null);
}
