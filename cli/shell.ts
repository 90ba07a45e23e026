/** Words for a POSIX shell. */

/** As one word. */
export const quoted = (word: string): string => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

export const words = (all: readonly string[]): string => all.map(quoted).join(" ");
