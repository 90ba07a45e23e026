/** Opens the best adapter that works, or the requested one. */
import { EnvironmentError, messageOf, UserError } from "../errors.ts";
import type { AdapterHandle, LossOption } from "./adapter.ts";
import { choicesFrom, type Candidate, type Choice } from "./choose.ts";
import { openCpu, type CpuOptions } from "./cpu.ts";
import { openGpu, type DeviceHandle } from "./device.ts";
import { findAdapters, requestOf, type Findings } from "./find.ts";

export interface AdapterOptions extends CpuOptions {
  /** "gpu", "cpu", "lavapipe", "swiftshader", "null" or a part of an adapter's name. Default: MOEUT_ADAPTER, else the best there is. */
  readonly adapter?: string | undefined;
}

/** Each adapter is tested. UserError for threads of an adapter that is not the processor, EnvironmentError if there is no adapter. */
export function openAdapter(options: AdapterOptions): Promise<AdapterHandle> {
  return openFirst(options.adapter, () => true, async (choice) => {
    const { kind, name } = choice.candidate;
    if (kind === "cpu") return openCpu(choice, options);
    const wrong = `the adapter cpu alone has threads to choose, and this would run on ${name}; add --adapter cpu`;
    if (options.threads !== undefined) throw new UserError(wrong);
    return openGpu(choice, options);
  });
}

export interface DeviceOptions extends LossOption {
  readonly adapter?: string | undefined;
}

/** As openAdapter, of those that are WebGPU. */
export function openDevice(options: DeviceOptions = {}): Promise<DeviceHandle> {
  return openFirst(options.adapter, ({ kind }) => kind !== "cpu", (choice) => openGpu(choice, options));
}

async function openFirst<Handle>(
  adapter: string | undefined, serves: (candidate: Candidate) => boolean, open: (choice: Choice) => Promise<Handle>,
): Promise<Handle> {
  const request = requestOf(adapter);
  const findings = await findAdapters(request?.name);
  const failures: string[] = [];
  for (const choice of choicesFrom(findings.candidates.filter(serves), request)) {
    try {
      return await open(withFailures(choice, failures));
    } catch (error) {
      if (error instanceof UserError) throw error;
      failures.push(`${choice.candidate.name}: ${messageOf(error)}`);
    }
  }
  throw noAdapter(findings, failures);
}

const withFailures = (choice: Choice, failures: readonly string[]): Choice =>
  failures.length === 0 ? choice : { ...choice, why: `${choice.why}; better ones failed (${failures.join("; ")})` };

function noAdapter(findings: Findings, failures: readonly string[]): EnvironmentError {
  const reasons = [...findings.notes, ...failures];
  return new EnvironmentError(`no usable adapter: ${reasons.join("; ")}. \`moeut doctor\` says what to install`);
}
