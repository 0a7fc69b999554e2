import { WireReader } from "./wire.ts";

/** Where the content of a length-delimited field lies, and which field it is. */
export interface FoundField {
  readonly field: number;
  readonly from: number;
  readonly to: number;
}

const lengthDelimited = 2;

/**
 * Finds the content of a length-delimited field of the message between `from` and `to`, or that of the other one: the last of them counts, as in a decoder. What is
 * malformed ends the search. Nearly all fields of events have a tag of one byte and a length of one or two: those are read here, any others by a reader, which costs
 * twice as much.
 */
export function findField(bytes: Uint8Array, from: number, to: number, field: number, other = field): FoundField | undefined {
  let found = 0;
  let foundFrom = 0;
  let foundTo = 0;
  for (let at = from; at < to;) {
    const tag = bytes[at] ?? 0;
    const low = bytes[at + 1] ?? 0;
    const high = low < 0x80 ? 0 : (bytes[at + 2] ?? 0);
    const start = at + (low < 0x80 ? 2 : 3);
    const end = start + (low & 0x7f) + high * 0x80;
    if (tag < 8 || tag >= 0x80 || tag % 8 !== lengthDelimited || high >= 0x80 || end > to) {
      const later = findByReader(new WireReader(bytes, at, to), field, other);
      return later ?? (found === 0 ? undefined : { field: found, from: foundFrom, to: foundTo });
    }
    const number = tag >>> 3;
    if (number === field || number === other) {
      found = number;
      foundFrom = start;
      foundTo = end;
    }
    at = end;
  }
  return found === 0 ? undefined : { field: found, from: foundFrom, to: foundTo };
}

function findByReader(reader: WireReader, field: number, other: number): FoundField | undefined {
  let found: FoundField | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag % 8 !== lengthDelimited) {
      if (tag < 0 || !reader.skip(tag % 8)) return found;
      continue;
    }
    const length = reader.length();
    if (length < 0) return found;
    const from = reader.position;
    reader.position += length;
    const number = tag >>> 3;
    if (number === field || number === other) found = { field: number, from, to: reader.position };
  }
  return found;
}
