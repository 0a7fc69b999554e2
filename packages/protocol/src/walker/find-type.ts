import { isText, readText } from "./utf8.ts";
import { WireReader } from "./wire.ts";

/** Field 3 of Event, length-delimited. */
const typeTag = 0x1a;

/** What was found last: most events come in runs of one type. */
let last = "";

/** The type of an encoded Event: tags and lengths only, nothing else is looked at. As in decoding, the last one counts. Undefined: there is none that can be read. */
export function findType(bytes: Uint8Array, from: number, to: number): string | undefined {
  const reader = new WireReader(bytes, from, to);
  let type: string | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag !== typeTag) {
      if (tag < 0 || !reader.skip(tag & 7)) return undefined;
      continue;
    }
    const length = reader.length();
    if (length < 0) return undefined;
    const start = reader.position;
    reader.position += length;
    type = isText(bytes, start, reader.position, last) ? last : readText(bytes, start, reader.position);
    if (type === undefined) return undefined;
  }
  if (type === undefined || type === "") return undefined;
  last = type;
  return type;
}
