import { createHash } from "node:crypto";

/** As 64 hexadecimal digits. */
export function sha256(chunks: Iterable<string | Uint8Array>): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}
