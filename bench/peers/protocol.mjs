/** What the peers in JavaScript have in common: see README.md. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export const readJob = (path) => JSON.parse(readFileSync(path, "utf8"));

/** name → { shape, data } of a safetensors file of F32 and U32. */
export function readTensors(path) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const { __metadata__, ...infos } = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  const arrayOf = { F32: Float32Array, U32: Int32Array };
  const tensor = ({ dtype, shape, data_offsets: [start, end] }) =>
    ({ shape, data: new arrayOf[dtype](bytes, 8 + length + start, (end - start) / 4) });
  return Object.fromEntries(Object.entries(infos).map(([name, info]) => [name, tensor(info)]));
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

/** @param version what to call it  @param start makes a run, which resolves to its check; throws where there is none */
export async function answer(version, start) {
  try {
    const run = await start();
    say({ version, check: await run() });
    for await (const _ of createInterface({ input: process.stdin })) {
      const started = performance.now();
      await run();
      say({ seconds: (performance.now() - started) / 1000 });
    }
  } catch (error) {
    say({ cannot: error.message });
  }
  process.exit();
}
