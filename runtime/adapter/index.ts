export type { AdapterHandle, AdapterInfo } from "./adapter.ts";
export { openAdapter, openDevice } from "./open.ts";
export type { AdapterKind } from "./choose.ts";
export { doctor, renderDoctor } from "./doctor.ts";
