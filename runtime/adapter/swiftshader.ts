import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { cannotWrite } from "../errors.ts";
import { makeDirectory } from "../files/folder.ts";
import { readTar } from "./tar.ts";

const require = createRequire(import.meta.url);

/** SwiftShader, the Vulkan loader and Dawn's binding together in one directory. */
export interface BundledDriver {
  readonly directory: string;
  readonly icd: string; // description of the driver, for VK_DRIVER_FILES
  readonly dawn: string; // a copy of dawn.node: Dawn looks for libvulkan.so.1 beside itself first
}

const NEEDED = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

/** Why the bundled SwiftShader cannot be used here, or null if it can. */
export function swiftshaderProblem(): string | null {
  const { platform, arch } = process;
  if (platform !== "linux" || arch !== "x64") return `the bundled SwiftShader is for Linux on x64, this is ${platform} on ${arch}`;
  if (packageRoot("@sparticuz/chromium") !== null) return null;
  return "the optional npm package @sparticuz/chromium, which holds SwiftShader, is not installed";
}

/**
 * Unpacks SwiftShader below `cache` unless it is there. The directory appears complete or not at all (it is renamed into
 * place), and its name holds both package versions; when two processes race, one of two equal directories stays.
 */
export function unpackSwiftshader(cache: string): BundledDriver {
  const chromium = packageRoot("@sparticuz/chromium")!;
  const directory = join(cache, `swiftshader-${versionOf(chromium)}-dawn-${versionOf(packageRoot("webgpu")!)}`);
  if (!existsSync(directory)) install(join(chromium, "bin", "swiftshader.tar.br"), directory);
  return { directory, icd: join(directory, "vk_swiftshader_icd.json"), dawn: join(directory, "dawn.node") };
}

function install(archive: string, directory: string): void {
  try {
    makeDirectory(dirname(directory));
    const temporary = mkdtempSync(`${directory}.tmp-`);
    try {
      fill(temporary, archive);
      moveIntoPlace(temporary, directory);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  } catch (error) {
    throw cannotWrite(directory, error);
  }
}

function fill(directory: string, archive: string): void {
  const entries = readTar(brotliDecompressSync(readFileSync(archive)));
  for (const name of NEEDED) {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry === undefined) throw new Error(`${archive} does not hold ${name}`);
    writeFileSync(join(directory, name), entry.data, { mode: 0o644 });
  }
  // A copy and not a link: the system's loader would be found beside the original, and a
  // process that has the original open would get that image again.
  copyFileSync(dawnPath(), join(directory, "dawn.node"));
}

function moveIntoPlace(temporary: string, directory: string): void {
  try {
    renameSync(temporary, directory);
  } catch (error) {
    if (!existsSync(directory)) throw error; // otherwise another process was first
  }
}

/** Dawn's binding for this platform, as the webgpu package ships it. */
function dawnPath(): string {
  return join(packageRoot("webgpu")!, "dist", `${process.platform}-${process.arch}`, "dawn.node");
}

/** Directory of an installed package, or null. Packages need not export their package.json. */
function packageRoot(name: string): string | null {
  try {
    const entry = require.resolve(name);
    const marker = join("node_modules", ...name.split("/"));
    return entry.slice(0, entry.lastIndexOf(marker) + marker.length);
  } catch {
    return null;
  }
}

function versionOf(root: string): string {
  return (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
}
