const utf8 = new TextEncoder();

/** The longest beginning of `text` that has at most `maxBytes` in UTF-8; never part of a character. What is no Unicode becomes U+FFFD. */
export function cutText(text: string, maxBytes: number): string {
  const { read } = utf8.encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read).toWellFormed();
}
