/** A topic pattern as a regular expression of PostgreSQL that matches the same types; tested to agree with `topicMatches`. */
export function topicRegex(pattern: string): string {
  const words = pattern.split(".");
  // `#` takes its dots with it: "a.#.b" is a, any number of ".word", ".b".
  let regex = "";
  let needsDot = false;
  words.forEach((word, index) => {
    if (word === "#") {
      const last = index === words.length - 1;
      if (needsDot) regex += "(\\.[^.]*)*";
      else if (last) regex += ".*";
      else regex += "([^.]*\\.)*";
      return;
    }
    regex += (needsDot ? "\\." : "") + (word === "*" ? "[^.]*" : word.replaceAll(/[^A-Za-z0-9_-]/g, (character) => `\\${character}`));
    needsDot = true;
  });
  return `^${regex}$`;
}
