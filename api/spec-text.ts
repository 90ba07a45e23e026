/** From the bytes of a file to the text of a spec, or what the file is instead: said once, where its lines would give an error each. */
import { isUtf8 } from "node:buffer";

export function specText(bytes: Uint8Array): string | { readonly problem: string } {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return { problem: "it is packed with gzip, and a spec is plain text" };
  if (isUtf16(bytes)) return { problem: "it is text in UTF-16; save it as UTF-8" };
  if (bytes.includes(0)) return { problem: "it is a binary file, and a spec is plain text" };
  if (!isUtf8(bytes)) return { problem: "it is not text in UTF-8; if it is text in another encoding, save it as UTF-8" };
  const text = new TextDecoder().decode(bytes); // without a mark
  return text.trim() === "" ? { problem: "it is empty" } : text;
}

/** By its mark, or because every second byte is 0, as in Latin letters. */
function isUtf16(bytes: Uint8Array): boolean {
  const mark = (bytes[0]! << 8) | bytes[1]!;
  const some = bytes.subarray(0, 1024);
  const zeros = [0, 1].map((at) => some.filter((byte, i) => i % 2 === at && byte === 0).length / (some.length / 2));
  return mark === 0xfffe || mark === 0xfeff || (Math.max(...zeros) > 0.6 && Math.min(...zeros) < 0.05);
}
