/** What is made of a word is kept for the next time; memory stays bounded. */
export function remembered<T>(make: (word: string) => T): (word: string) => T {
  const known = new Map<string, T>();
  return (word) => {
    const found = known.get(word);
    if (found !== undefined) return found;
    if (known.size >= MOST_WORDS) known.clear();
    const made = make(word);
    known.set(word, made);
    return made;
  };
}

const MOST_WORDS = 2 ** 17;
