/** The processor as an adapter: kernels as WebAssembly, by threads over one memory. */
import { availableParallelism, cpus } from "node:os";
import { EnvironmentError, UserError } from "../errors.ts";
import { createCpuExecutor } from "../standalone/cpu/executor.ts";
import { compileWasm, type WasmModule } from "../standalone/cpu/platform.ts";
import type { PlanLimits } from "../standalone/limits.ts";
import type { Kernel, KernelPlan } from "../standalone/plan.ts";
import type { Executor } from "../standalone/types.ts";
import type { AdapterHandle, AdapterInfo, LossOption } from "./adapter.ts";
import type { Candidate, Choice } from "./choose.ts";
import { selfTestPlan } from "./self-test.ts";

/** The compiler's: kernels as one WebAssembly module. */
export type Assemble = (kernels: readonly Kernel[]) => Uint8Array;

export interface CpuOptions extends LossOption {
  readonly threads?: number | undefined;
  readonly assemble: Assemble;
}

export const cpuCandidate = (): Candidate => ({ source: "system", name: `CPU (${cpus()[0]?.model.trim() || process.arch})`, kind: "cpu" });

/** WebAssembly addresses 4 GiB; some of it is for threads, sizes and gaps. */
const LIMITS: PlanLimits = {
  maxBufferSize: Infinity, maxStorageBufferBindingSize: Infinity, maxUniformBufferBindingSize: Infinity,
  maxStorageBuffersPerShaderStage: Infinity, maxComputeWorkgroupsPerDimension: Infinity, maxTotalSize: 2 ** 32 - 2 ** 26,
};

/** Each takes some megabytes, whatever it does. */
const MAX_THREADS = 1024;

/** Opens it and has it compute something whose results are known. */
export async function openCpu({ candidate, why }: Choice, options: CpuOptions): Promise<AdapterHandle> {
  const { threads = availableParallelism(), assemble, onLost } = options;
  if (threads > MAX_THREADS) throw new UserError(`${threads} threads are too many: ${MAX_THREADS} at most`);
  let first: Error | null = null;
  const lost = (reason: string): void => {
    first ??= new EnvironmentError(`${candidate.name}: ${reason}`);
    onLost?.(first);
  };
  const moduleOf = createModules(assemble);
  const createExecutor = async (plan: KernelPlan): Promise<Executor> => create(plan, await moduleOf(plan), threads, lost);
  const info: AdapterInfo = {
    kind: candidate.kind, name: candidate.name, why, subgroupMin: 0, subgroupMax: 0, limits: LIMITS,
    facts: { threads: `${threads}`, kernels: "WebAssembly with SIMD of 128 bits", memory: "4 GiB for a model at most" },
  };
  await selfTestPlan(createExecutor, candidate.name);
  return { info, createExecutor, firstError: () => first, checkErrors: () => raise(first), close: () => {} };
}

/** A module for the same kernels is made once, as a device keeps its pipelines: the next run of a model compiles nothing again. */
function createModules(assemble: Assemble): (plan: KernelPlan) => Promise<WasmModule> {
  const modules = new Map<string, Promise<WasmModule>>();
  return ({ kernels }) => {
    const key = kernels.map(({ wgsl }) => wgsl).join();
    const module = modules.get(key) ?? compileWasm(assemble(kernels));
    modules.set(key, module);
    return module;
  };
}

function raise(error: Error | null): void {
  if (error !== null) throw error;
}

/** Where the engine has no room for the memory, the machine is at fault. */
async function create(plan: KernelPlan, module: WasmModule, threads: number, onLost: (reason: string) => void): Promise<Executor> {
  try {
    return await createCpuExecutor(plan, module, { threads, onLost });
  } catch (error) {
    if (error instanceof RangeError) throw new EnvironmentError(`${plan.model} needs more memory than there is: ${error.message}`);
    throw error;
  }
}
