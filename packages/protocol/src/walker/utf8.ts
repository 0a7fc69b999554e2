// ignoreBOM: a byte order mark is text like any other, as it is for the protobuf decoder.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Node's own, where there is Node: for more than a few bytes it is many times as fast as a loop, or as a decoder that makes text only to tell whether it can. */
const native = globalThis.process?.getBuiltinModule?.("node:buffer");

/** Up to so many bytes a loop that only looks is faster than a native call, and one that makes text. */
const short = { look: 64, text: 12 } as const;

/** The text of UTF-8 bytes; undefined when they are not valid UTF-8. Nothing is normalised. */
export function readText(bytes: Uint8Array, from = 0, to = bytes.length): string | undefined {
  if (to - from <= short.look && isAscii(bytes, from, to)) {
    if (to - from <= short.text) return asciiText(bytes, from, to);
    // No view and no decoder are needed for what is known to be ASCII.
    if (native?.Buffer.isBuffer(bytes)) return bytes.toString("latin1", from, to);
  }
  try {
    return strict.decode(bytes.subarray(from, to));
  } catch {
    return undefined;
  }
}

/** Whether bytes are valid UTF-8. */
export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  if (native !== undefined && to - from > short.look) return native.isUtf8(bytes.subarray(from, to));
  return isAscii(bytes, from, to) || readText(bytes, from, to) !== undefined;
}

/** Whether bytes are the ASCII text `text`. */
export function isText(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  if (to - from !== text.length) return false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (bytes[from + i] !== code || code > 0x7f) return false;
  }
  return true;
}

/** Whether bytes are ASCII without NUL, and few enough for a loop to look. False says nothing. */
export function isPlain(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from > short.look) return false;
  for (let i = from; i < to; i += 1) {
    const byte = bytes[i] ?? 0;
    if (byte === 0 || byte > 0x7f) return false;
  }
  return true;
}

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i += 1) {
    if ((bytes[i] ?? 0) > 0x7f) return false;
  }
  return true;
}

function asciiText(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let i = from; i < to; i += 1) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}
