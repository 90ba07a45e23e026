/** Inputs of the file fuzzer: sound files with damage, each a function of a few words that a failure can print. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dice, type Dice } from "./fuzz.ts";

/** Contents by path within a folder; null for a file that is not there. */
export type Files = Readonly<Record<string, Buffer | null>>;

export interface Damage {
  readonly file: string;
  readonly kind: keyof typeof KINDS;
  readonly seed: number;
}

const KINDS = { bytes: damagedBytes, json: damagedJson, lines: damagedLines, header: damagedHeader, whole: damagedWhole, lost: () => null } as const;

/** One to three damages, mostly one. */
export const damagesOf = (files: Files) => (d: Dice): readonly Damage[] =>
  Array.from({ length: d.once(4) ? 1 + d.below(3) : 1 }, () => {
    const file = d.pick(Object.keys(files));
    return { file, kind: d.pick(kindsFor(file)), seed: d.below(2 ** 31) };
  });

const kindsFor = (file: string): readonly Damage["kind"][] =>
  file.endsWith(".safetensors") ? ["bytes", "bytes", "header", "header", "whole", "lost"]
    : file.endsWith(".json") ? ["bytes", "json", "json", "json", "whole", "lost"] : ["bytes", "bytes", "lines", "lines", "whole", "lost"];

export const fewer = (damages: readonly Damage[], d: Dice): readonly Damage[] =>
  damages.filter((_, i) => i !== d.below(damages.length + 1));

export function damaged(files: Files, damages: readonly Damage[]): Files {
  return damages.reduce(
    (now, { file, kind, seed }) => ({ ...now, [file]: KINDS[kind](now[file] ?? Buffer.alloc(0), dice(seed, 0), files) }), files,
  );
}

/** Makes the folder hold these files and no others. */
export function writeFiles(folder: string, files: Files): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [name, bytes] of Object.entries(files)) {
    if (bytes === null) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
}

export const isSame = (files: Files, others: Files): boolean =>
  Object.keys(files).every((name) => files[name]!.equals(others[name] ?? Buffer.from("lost")));

function damagedBytes(bytes: Buffer, d: Dice): Buffer {
  const at = d.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + d.below(d.once(3) ? 4096 : 8));
  const random = (): Buffer => Buffer.from(Array.from({ length: 1 + d.below(8) }, () => d.below(256)));
  const put = (middle: Buffer, upTo = at): Buffer => Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(upTo)]);
  switch (d.below(7)) {
    case 0: return put(Buffer.from([(bytes[at] ?? 0) ^ (1 << d.below(8))]), at + 1);
    case 1: return put(random(), end);
    case 2: return put(random());
    case 3: return bytes.subarray(0, at);
    case 4: return put(Buffer.alloc(0), end);
    case 5: return put(bytes.subarray(at, end));
    default: return put(Buffer.alloc(end - at, d.pick([0, 0xff, 0x20, 0x22, 0x7b])), end);
  }
}

/** The whole file is another. */
function damagedWhole(bytes: Buffer, d: Dice, files: Files): Buffer {
  const text = bytes.toString("utf8");
  switch (d.below(7)) {
    case 0: return Buffer.alloc(0);
    case 1: return Buffer.concat([Buffer.from("\ufeff"), bytes]);
    case 2: return Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);
    case 3: return Buffer.from(text.replaceAll("\n", "\r\n"));
    case 4: return Buffer.concat([bytes, bytes]);
    case 5: return Buffer.alloc(d.below(100_000), d.below(256));
    default: return files[d.pick(Object.keys(files))] ?? bytes;
  }
}

/** Lines lost, doubled, exchanged, cut short or made of JSON that nobody expects. */
function damagedLines(bytes: Buffer, d: Dice): Buffer {
  const lines = bytes.toString("utf8").split("\n");
  const [i, j] = [d.below(lines.length), d.below(lines.length)];
  const line = lines[i]!;
  const other = (): string =>
    d.pick([damagedJson(Buffer.from(line), d).toString("utf8"), line.slice(0, d.below(line.length + 1)), lines[j]!, d.pick(HOSTILE), ""]);
  const next = d.pick([
    () => lines.toSpliced(i, 1), () => lines.toSpliced(i, 0, lines[j]!), () => lines.with(i, lines[j]!).with(j, line),
    () => lines.with(i, other()), () => lines.slice(0, i),
  ]);
  return Buffer.from(next().join("\n"));
}

/** JSON text in place of a value. */
const HOSTILE: readonly string[] = [
  "null", "true", "0", "1", "-1", "0.5", "-0", "1e9", "1e999", "-1e999", "1e-400", "2147483648", "4294967296", "9007199254740993", "1000000000000000000000", "NaN", '""', '"8"', '"toString"',
  '"__proto__"', '"\\u0000"', '"\\ud800"', "[]", "{}", "[0]", "[null,null]", '{"__proto__":{"step":1}}', `${"[".repeat(5_000)}${"]".repeat(5_000)}`, `"${"x".repeat(10_000)}"`, '"../../../etc/passwd"',
];
const MAX_TEXT = 8_000;
const KEYS: readonly string[] = ["__proto__", "constructor", "toString", "", "0", "\u0000", "a\nb"];

/**
 * One value is another, or one key is lost, doubled, renamed or added; text that is not JSON, or is deep or long from former damage, is
 * damaged as bytes.
 */
function damagedJson(bytes: Buffer, d: Dice): Buffer {
  if (bytes.length > MAX_TEXT) return damagedBytes(bytes, d);
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return Buffer.from(printDamaged(value, d.below(countValues(value)), d));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error; // no JSON, or nested deeper than our own stack
    return damagedBytes(bytes, d);
  }
}

const partsOf = (value: unknown): readonly unknown[] => (typeof value === "object" && value !== null ? Object.values(value) : []);
const countValues = (value: unknown): number => partsOf(value).reduce<number>((sum, part) => sum + countValues(part), 1);

/** JSON text of a value, with damage at its n-th part in the order of the text. */
function printDamaged(value: unknown, n: number, d: Dice): string {
  if (n < 0 || n >= countValues(value)) return JSON.stringify(value);
  if (n === 0) return otherValue(value, d);
  let left = n - 1;
  const printed = partsOf(value).map((part) => {
    const text = printDamaged(part, left, d);
    left -= countValues(part);
    return text;
  });
  return Array.isArray(value) ? `[${printed.join(",")}]` : objectText(Object.keys(value as object).map((key, i) => [key, printed[i]!]));
}

const objectText = (entries: readonly (readonly [string, string])[]): string =>
  `{${entries.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(",")}}`;

function otherValue(value: unknown, d: Dice): string {
  const entries = Object.entries(typeof value === "object" && value !== null && !Array.isArray(value) ? value : {})
    .map(([key, part]) => [key, JSON.stringify(part)] as const);
  if (typeof value === "number" && d.once(2)) return String(d.pick([value + 1, value - 1, -value, value * 1e6, value / 2, value * 2]));
  if (entries.length === 0 || d.once(4)) return d.pick(HOSTILE);
  const [i, [key, text]] = [d.below(entries.length), d.pick(entries)];
  return objectText(d.pick([
    () => entries.toSpliced(i, 1), () => entries.toSpliced(i, 0, [key, text]), () => entries.toSpliced(i, 0, [key, d.pick(HOSTILE)]),
    () => entries.with(i, [d.pick(KEYS), entries[i]![1]]), () => entries.with(i, [entries[i]![0], text]), () => entries.toSpliced(i, 0, [d.pick(KEYS), text]),
  ])());
}

/** A safetensors file whose header is damaged as JSON, with a length that fits it, or mostly does. */
function damagedHeader(bytes: Buffer, d: Dice): Buffer {
  if (bytes.length < 8) return damagedBytes(bytes, d);
  const length = Math.min(Number(bytes.readBigUInt64LE(0)), bytes.length - 8);
  const header = damagedJson(bytes.subarray(8, 8 + length), d);
  const claimed = Buffer.alloc(8);
  claimed.writeBigUInt64LE(d.once(8) ? d.pick([0n, 1n, BigInt(header.length + 1), BigInt(bytes.length), 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n]) : BigInt(header.length));
  return Buffer.concat([claimed, header, bytes.subarray(8 + length)]);
}
