/** Words, numbers and signs of the WGSL subset. */
export interface Token {
  readonly kind: "name" | "number" | "sign" | "end";
  readonly text: string;
  readonly line: number; // from 1
}

/** Comments, line ends, numbers, names, and signs: long ones first, but `>>` is two, because templates end so. */
const PATTERN = new RegExp([
  /\/\/[^\n]*/, /(\n)/, /[ \t\r]+/,
  /(0x[0-9a-fA-F]+[ui]?|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?[fui]?)/,
  /([A-Za-z_][A-Za-z0-9_]*)/,
  /(\+\+|->|<<|[=!<>]=|&&|\|\||[-+*/|&^]=|[-+*/%<>=!&|^~(){}[\],;:.@])/,
].map(({ source }) => source).join("|"), "y");

export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  PATTERN.lastIndex = 0;
  for (let at = 0; at < text.length; at = PATTERN.lastIndex) {
    const [, newline, number, name, sign] = PATTERN.exec(text) ?? outside(line, text.slice(at, at + 1));
    if (newline !== undefined) line++;
    else if (number !== undefined) tokens.push({ kind: "number", text: number, line });
    else if (name !== undefined) tokens.push({ kind: "name", text: name, line });
    else if (sign !== undefined) tokens.push({ kind: "sign", text: sign, line });
  }
  return [...tokens, { kind: "end", text: "the end", line }];
}

function outside(line: number, character: string): never {
  throw new Error(`${line}: the character ${character}`);
}
