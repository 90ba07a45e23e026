import type { Candidate } from "./choose.ts";

const GPU_ADVICE = [
  "a GPU would be faster. If this machine has one, it needs a Vulkan driver:",
  "  NVIDIA: the vendor's driver with its Vulkan parts; in containers NVIDIA_DRIVER_CAPABILITIES=all, and libegl1 and libxext6,",
  "    without which the driver says that it has no vkCreateInstance",
  "  AMD, Intel: mesa-vulkan-drivers, and access to /dev/dri (group render; in containers --device /dev/dri)",
];

/** What to do for a faster adapter; nothing if there is a GPU. */
export function adviceFor(candidates: readonly Candidate[], platform: NodeJS.Platform): readonly string[] {
  if (candidates.some(({ kind }) => kind === "gpu")) return [];
  return platform === "linux" ? GPU_ADVICE : ["no GPU was found; update the graphics driver of this machine"];
}
