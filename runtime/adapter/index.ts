export { openDevice, LIMITS, type DeviceHandle, type DeviceInfo, type DeviceOptions, type LimitName } from "./device.ts";
export type { AdapterKind } from "./choose.ts";
export { doctor, renderDoctor, type DoctorReport } from "./doctor.ts";
