import { PackSlice } from "./pack-slice.ts";
import { commonBytes } from "./walker/common-bytes.ts";

/** Whatever has an id: an event of a pack is read where its id lies, and no text is made of it. */
interface Identified {
  readonly id: string;
}

/** From this byte on the order of UTF-8 is not that of UTF-16: code points above U+FFFF are surrogates there, which come before U+E000. */
const firstOutOfOrder = 0xee;

/** Whether `event.id > other.id`. */
export function hasGreaterId(event: Identified, other: Identified): boolean {
  if (!(event instanceof PackSlice && other instanceof PackSlice)) return event.id > other.id;
  const size = event.idTo - event.idFrom;
  const otherSize = other.idTo - other.idFrom;
  const shorter = Math.min(size, otherSize);
  const common = commonBytes(event.view, event.idFrom, other.view, other.idFrom, shorter);
  if (common === shorter) return size > otherSize;
  const byte = event.view.getUint8(event.idFrom + common);
  const otherByte = other.view.getUint8(other.idFrom + common);
  return byte < firstOutOfOrder && otherByte < firstOutOfOrder ? byte > otherByte : event.id > other.id;
}

const uuidText = 36;
const dash = 0x2d;
const versionSeven = 0x37;
/** Where the lower half begins. */
const half = 8;
const noDigit = 0xff;
/** Values of the lower-case digits: another text is another id. */
const digits = new Uint8Array(0x100).fill(noDigit);
for (let value = 0; value < 16; value += 1) digits[value.toString(16).charCodeAt(0)] = value;

/** Where the text of an id that lies nowhere is read. */
const written = new Uint8Array(uuidText);

/** Whether the id is a UUIDv7 as it is usually written, in lower case; then its 16 bytes are in `target`. Else anything may be there. */
export function writeUuidV7(event: Identified, target: Uint8Array, at: number): boolean {
  if (event instanceof PackSlice) return event.idTo - event.idFrom === uuidText && parse(event.body, event.idFrom, target, at);
  const { id } = event;
  if (id.length !== uuidText) return false;
  for (let i = 0; i < uuidText; i += 1) {
    const code = id.charCodeAt(i);
    if (code > 0x7f) return false;
    written[i] = code;
  }
  return parse(written, 0, target, at);
}

function parse(bytes: Uint8Array, from: number, target: Uint8Array, at: number): boolean {
  if (bytes[from + 14] !== versionSeven) return false;
  let to = at;
  for (let i = 0; i < uuidText; i += 2) {
    if (i === 8 || i === 13 || i === 18 || i === 23) {
      if (bytes[from + i] !== dash) return false;
      i += 1;
    }
    const high = digits[bytes[from + i] ?? 0] ?? noDigit;
    const low = digits[bytes[from + i + 1] ?? 0] ?? noDigit;
    if ((high | low) === noDigit) return false;
    target[to] = (high << 4) | low;
    to += 1;
  }
  // The variant of RFC 9562.
  return ((target[at + half] ?? 0) & 0xc0) === 0x80;
}
