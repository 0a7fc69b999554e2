/** Whether an AMQP topic pattern takes a type: `*` is one word, `#` any number. Written anew, and not with the product's matcher, which it judges. */
export function matchesTopic(pattern: string, type: string): boolean {
  return matches(pattern.split("."), type.split("."));
}

function matches([first, ...rest]: readonly string[], words: readonly string[]): boolean {
  if (first === undefined) return words.length === 0;
  if (first === "#")
    return Array.from({ length: words.length + 1 }, (_, skipped) => skipped).some((skipped) => matches(rest, words.slice(skipped)));
  return words.length > 0 && (first === "*" || first === words[0]) && matches(rest, words.slice(1));
}
