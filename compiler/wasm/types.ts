/** The types of the WGSL that kernels are written in. */
export type Scalar = "f32" | "u32" | "i32" | "bool";
type Width = 2 | 3 | 4;
export type Vector = `vec${Width}${"f" | "u" | "i" | "b"}`;
export type Type = Scalar | Vector;

const LETTERS = { f: "f32", u: "u32", i: "i32", b: "bool" } as const;
const LETTER_OF = { f32: "f", u32: "u", i32: "i", bool: "b" } as const;

export const isVector = (type: Type): type is Vector => type.startsWith("vec");
export const scalarOf = (type: Type): Scalar => (isVector(type) ? LETTERS[type[4] as keyof typeof LETTERS] : type);
/** Numbers of a value: 1 of a scalar. */
export const widthOf = (type: Type): number => (isVector(type) ? Number(type[3]) : 1);
export const vectorOf = (scalar: Scalar, width: number): Type => (width === 1 ? scalar : `vec${width as Width}${LETTER_OF[scalar]}`);
/** In a storage or workgroup array: those of three numbers take the room of four. */
export const bytesOf = (type: Type): number => 4 * (widthOf(type) === 3 ? 4 : widthOf(type));
