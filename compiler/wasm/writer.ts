/** The code of a function under construction: instructions, locals, and how deep blocks are nested. */
import { f32Bytes, joined, signed, unsigned, vector } from "./binary.ts";
import { CODE } from "./instructions.ts";
import type { Label } from "./ir.ts";

export class Writer {
  /** Blocks around the next instruction, outermost first; null for those that nothing leaves by name. */
  protected readonly labels: (Label | null)[] = [];
  private readonly bytes: number[] = [];
  private readonly types: number[];
  private readonly parameters: number;
  private readonly temporaries = new Map<string, number>();

  /** @param parameters their types: the first locals */
  constructor(parameters: readonly number[]) {
    this.types = [...parameters];
    this.parameters = parameters.length;
  }

  /** Opcodes as instructions.ts has them, and bytes below 256 as they are. */
  protected put(...codes: readonly number[]): void {
    for (const code of codes) {
      if (code < 0x100) this.bytes.push(code);
      else this.bytes.push(0xfd, ...unsigned(code - 0x100));
    }
  }

  protected raw(more: readonly number[]): void {
    for (const byte of more) this.bytes.push(byte);
  }

  protected integer(value: number): void {
    this.put(CODE.i32Const);
    this.raw(signed(value));
  }

  protected float(value: number): void {
    this.put(CODE.f32Const);
    this.raw(f32Bytes(value));
  }

  /** @param code get, set or tee */
  protected local(code: number, index: number): void {
    this.put(code);
    this.raw(unsigned(index));
  }

  protected newLocal(type: number): number {
    return this.types.push(type) - 1;
  }

  /** A local for values that are used at once: the same for the same name. */
  protected temporary(type: number, name: string): number {
    const index = this.temporaries.get(name) ?? this.newLocal(type);
    this.temporaries.set(name, index);
    return index;
  }

  /** @param align the logarithm of what the address is a multiple of */
  protected memory(code: number, align: number, offset: number): void {
    this.put(code, align);
    this.raw(unsigned(offset));
  }

  /** @param lanes numbers 0 to 3 of the vector below, 4 to 7 of the one on top */
  protected shuffle(...lanes: readonly number[]): void {
    this.put(CODE.shuffle);
    this.raw(lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]));
  }

  /** What stands between a block's beginning, which is written already, and its end. */
  protected nest(label: Label | null, inside: () => void): void {
    this.labels.push(label);
    inside();
    this.labels.pop();
    this.put(CODE.end);
  }

  /** The function as a module holds it: its length, its locals, its code. */
  protected finish(): Uint8Array {
    this.put(CODE.end);
    const locals = vector(this.types.slice(this.parameters).map((type) => [1, type]));
    return joined([unsigned(locals.length + this.bytes.length), locals, this.bytes]);
  }
}
