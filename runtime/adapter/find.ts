import { swiftshaderProblem } from "./swiftshader.ts";
import { adapterNames, hasSystemLoader } from "./instance.ts";
import { cpuCandidate } from "./cpu.ts";
import { choicesFrom, kindOf, type Candidate, type Request } from "./choose.ts";

/** Everything that is known about this machine before a device exists. */
export interface Findings {
  readonly candidates: readonly Candidate[];
  /** What stands in the way of better adapters, in sentences. */
  readonly notes: readonly string[];
}

/** The name under which SwiftShader lists itself: known, so that it need not be unpacked to be offered. */
const SWIFTSHADER_NAME = "SwiftShader Device (Subzero)";

/** @param request what will be asked for: drivers that cannot be the answer are not loaded */
export async function findAdapters(request: string | undefined): Promise<Findings> {
  const notes: string[] = [];
  const problem = swiftshaderProblem();
  const skipSystem = request === "null" || request === "cpu" || (request === "swiftshader" && problem === null);
  const system = skipSystem ? [] : await systemCandidates(notes);
  const bundled: readonly Candidate[] = problem === null ? [{ source: "bundled", name: SWIFTSHADER_NAME, kind: "swiftshader" }] : [];
  if (problem !== null && process.platform === "linux") notes.push(problem);
  return { candidates: [...system, ...bundled, cpuCandidate(), { source: "null", name: "null", kind: "null" }], notes };
}

async function systemCandidates(notes: string[]): Promise<readonly Candidate[]> {
  if (!hasSystemLoader()) {
    notes.push("the system has no Vulkan loader (libvulkan.so.1)");
    return [];
  }
  const names = await adapterNames("system");
  if (names.length === 0) notes.push("the system has no graphics driver that Dawn accepts");
  return [...new Set(names)].map((name) => ({ source: "system", name, kind: kindOf(name) }));
}

/** EnvironmentError if what is asked for (if anything) is not on this machine. */
export async function requireAdapter(option: string | undefined): Promise<void> {
  const request = requestOf(option);
  if (request !== null) choicesFrom((await findAdapters(request.name)).candidates, request);
}

/** What the user asks for and where: the option wins over MOEUT_ADAPTER; null means the order of preference. */
export function requestOf(option: string | undefined): Request | null {
  if (option !== undefined && option !== "") return { name: option, origin: "--adapter" };
  const variable = process.env["MOEUT_ADAPTER"];
  return variable === undefined || variable === "" ? null : { name: variable, origin: "MOEUT_ADAPTER" };
}
