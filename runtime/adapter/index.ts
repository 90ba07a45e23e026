export { openDevice, type DeviceHandle, type DeviceInfo } from "./device.ts";
export type { AdapterKind } from "./choose.ts";
export { doctor, renderDoctor } from "./doctor.ts";
