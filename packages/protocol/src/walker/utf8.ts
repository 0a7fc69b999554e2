// ignoreBOM: a byte order mark is text like any other, as it is for the protobuf decoder.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to so many bytes a loop is faster than a call of the decoder. */
const shortBytes = 128;

/** The text of UTF-8 bytes; undefined when they are not valid UTF-8. Nothing is normalised. */
export function readText(bytes: Uint8Array, from = 0, to = bytes.length): string | undefined {
  if (to - from <= shortBytes && isAscii(bytes, from, to)) return asciiText(bytes, from, to);
  try {
    return strict.decode(bytes.subarray(from, to));
  } catch {
    return undefined;
  }
}

/** Whether bytes are valid UTF-8. */
export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  return isAscii(bytes, from, to) || readText(bytes, from, to) !== undefined;
}

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i += 1) {
    if ((bytes[i] ?? 0) > 0x7f) return false;
  }
  return true;
}

function asciiText(bytes: Uint8Array, from: number, to: number): string {
  const codes: number[] = [];
  for (let i = from; i < to; i += 1) codes.push(bytes[i] ?? 0);
  return String.fromCharCode(...codes);
}
