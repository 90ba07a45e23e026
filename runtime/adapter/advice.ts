import type { Candidate } from "./choose.ts";

const GPU_ADVICE = [
  "a GPU would be faster. If this machine has one, it needs a Vulkan driver:",
  "  NVIDIA: the vendor's driver with its Vulkan parts; in containers NVIDIA_DRIVER_CAPABILITIES=all",
  "  AMD, Intel: mesa-vulkan-drivers, and access to /dev/dri (group render; in containers --device /dev/dri)",
];

const LAVAPIPE_ADVICE = [
  "lavapipe, the software driver of Mesa 24 or newer, is about five times as fast as SwiftShader:",
  "  Debian 13, Ubuntu 24.04 and newer: apt-get install mesa-vulkan-drivers libvulkan1",
  "  Debian 12: add the suite bookworm-backports, then apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1",
  "  Fedora: dnf install mesa-vulkan-drivers vulkan-loader      Arch: pacman -S vulkan-swrast vulkan-icd-loader",
];

const BUNDLED_ADVICE = ["SwiftShader comes with npm for Linux on x64: npm install @sparticuz/chromium"];

/** What to do for a faster adapter, or for any; nothing if there is a GPU. */
export function adviceFor(candidates: readonly Candidate[], platform: NodeJS.Platform): readonly string[] {
  const has = (kind: Candidate["kind"]): boolean => candidates.some((candidate) => candidate.kind === kind);
  if (has("gpu")) return [];
  if (platform !== "linux") return ["no GPU was found; update the graphics driver of this machine"];
  return [...GPU_ADVICE, ...(has("lavapipe") ? [] : LAVAPIPE_ADVICE), ...(has("lavapipe") || has("swiftshader") ? [] : BUNDLED_ADVICE)];
}
