/*
 * AMQP topic matching: words are separated by dots, `*` is exactly one word, `#` any number of them, also none. Empty words
 * count, but an empty routing key has no word at all, as in RabbitMQ.
 * One function, used wherever patterns meet types, so that no place disagrees with RabbitMQ's bindings.
 */

/** Whether `type` matches the topic `pattern`. Time: words of the pattern times words of the type, whatever the pattern. */
export function topicMatches(pattern: string, type: string): boolean {
  return matchWords(wordsOf(pattern), wordsOf(type));
}

/** Many patterns, split once: whether any of them matches. */
export class TopicMatcher {
  readonly #patterns: readonly (readonly string[])[];
  /** Every type matches. */
  readonly matchesAll: boolean;
  /** What was asked last: most events come in runs of one type. */
  #last: { readonly type: string; readonly matches: boolean };

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map(wordsOf);
    this.matchesAll = patterns.includes("#");
    this.#last = { type: "", matches: this.#patterns.some((pattern) => matchWords(pattern, [])) };
  }

  matches(type: string): boolean {
    if (this.matchesAll) return true;
    if (type === this.#last.type) return this.#last.matches;
    const words = wordsOf(type);
    const matches = this.#patterns.some((pattern) => matchWords(pattern, words));
    this.#last = { type, matches };
    return matches;
  }
}

function wordsOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(".");
}

/** Row by row: `reachable[i]` tells whether the pattern so far matches the first i words. */
function matchWords(pattern: readonly string[], words: readonly string[]): boolean {
  let reachable: boolean[] = [true, ...words.map(() => false)];
  for (const part of pattern) {
    const next = reachable.map(() => false);
    for (let i = 0; i <= words.length; i += 1) {
      if (part === "#") next[i] = reachable[i] === true || (i > 0 && next[i - 1] === true);
      else if (i > 0) next[i] = reachable[i - 1] === true && (part === "*" || part === words[i - 1]);
    }
    reachable = next;
  }
  return reachable[words.length] === true;
}
