/** What is kept of a text word by word. */

/** What is made of a word is kept for the next time; memory stays bounded. */
export function remembered<T>(make: (word: string) => T): (word: string) => T {
  const known = new Map<string, T>();
  return (word) => {
    const found = known.get(word);
    if (found !== undefined) return found;
    if (known.size >= MOST_WORDS) known.clear();
    const made = make(word);
    known.set(ownCopy(word), made);
    return made;
  };
}

/** A string of its own: engines let a part of a text hold on to all of the text. */
export const ownCopy = (part: string): string => part.split("").join("");

const MOST_WORDS = 2 ** 17;
