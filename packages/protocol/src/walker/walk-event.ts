import { Limits } from "../limits.ts";
import type { QuarantineReason } from "../event-slice.ts";
import { WireReader } from "./wire.ts";

/** What a walk found: an event that decodes, or why it does not. */
export type WalkedEvent =
  | { readonly kind: "event"; readonly id: string; readonly source: string; readonly type: string }
  | { readonly kind: "rejected"; readonly reason: QuarantineReason; readonly detail: string };

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Fields of Event that are strings, by number; 9 is the map, 10 bytes, 5 a message. */
const stringFields = new Map([
  [1, "id"],
  [2, "source"],
  [3, "type"],
  [4, "subject"],
  [6, "data_content_type"],
  [7, "data_schema"],
  [8, "partition_key"],
  [11, "text"],
]);

class Rejected extends Error {
  override readonly name = "Rejected";
  readonly reason: QuarantineReason;

  constructor(reason: QuarantineReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * W12: walks the bytes of one Event once: tags, lengths, UTF-8, required attributes, limits. What passes decodes, and decodes to the same
 * id, source and type. Unknown fields are kept when they are well-formed; groups are not. Allocates the three strings and nothing per field.
 */
export function walkEvent(bytes: Uint8Array, start = 0, end = bytes.length): WalkedEvent {
  if (end - start > Limits.eventBytes) return { kind: "rejected", reason: "too_large", detail: `event of ${end - start} bytes` };
  try {
    return walk(new WireReader(bytes, start, end));
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { kind: "rejected", reason: error.reason, detail: error.message };
  }
}

function walk(reader: WireReader): WalkedEvent {
  let id = "";
  let source = "";
  let type = "";
  let extensions = 0;
  let extensionBytes = 0;
  while (!reader.done) {
    const { field, wireType } = tag(reader);
    const name = stringFields.get(field);
    if (name !== undefined) {
      if (wireType !== 2) throw new Rejected("malformed", `field ${name} has wire type ${wireType}`);
      const from = lengthOf(reader, name);
      const value = field === 11 ? checkText(reader.bytes, from, reader.position) : text(reader.bytes, from, reader.position, name);
      if (field === 1) id = value;
      else if (field === 2) source = value;
      else if (field === 3) type = value;
    } else if (field === 5) {
      walkTimestamp(reader, wireType);
    } else if (field === 9) {
      extensionBytes += walkExtension(reader, wireType);
      extensions += 1;
    } else if (field === 10 && wireType !== 2) {
      throw new Rejected("malformed", `field data has wire type ${wireType}`);
    } else if (!reader.skip(wireType)) {
      throw new Rejected("malformed", `field ${field} is cut off or of an unknown wire type`);
    }
  }
  if (extensions > Limits.extensionCount || extensionBytes > Limits.extensionBytes) {
    throw new Rejected("too_large", `${extensions} extensions of ${extensionBytes} bytes`);
  }
  for (const [name, value] of Object.entries({ id, source, type })) {
    if (value === "") throw new Rejected("missing_attribute", `${name} is empty or missing`);
  }
  return { kind: "event", id, source, type };
}

function tag(reader: WireReader): { readonly field: number; readonly wireType: number } {
  const value = reader.varint();
  const field = Math.floor(value / 8);
  if (value < 0 || field < 1 || field > 536_870_911) throw new Rejected("malformed", "a tag is cut off or out of range");
  return { field, wireType: value % 8 };
}

/** Reads a length and passes its content; returns where the content begins. */
function lengthOf(reader: WireReader, name: string): number {
  const length = reader.length();
  if (length < 0) throw new Rejected("malformed", `field ${name} is cut off`);
  const from = reader.position;
  reader.position += length;
  return from;
}

function text(bytes: Uint8Array, from: number, to: number, name: string, limit: number = Limits.attributeBytes): string {
  if (to - from > limit) throw new Rejected("too_large", `${name} has ${to - from} bytes`);
  try {
    return strict.decode(bytes.subarray(from, to));
  } catch {
    throw new Rejected("bad_text", `${name} is not valid UTF-8`);
  }
}

/** The body as text may be long: it is checked and not kept. */
function checkText(bytes: Uint8Array, from: number, to: number): string {
  try {
    strict.decode(bytes.subarray(from, to));
    return "";
  } catch {
    throw new Rejected("bad_text", "text is not valid UTF-8");
  }
}

function walkTimestamp(reader: WireReader, wireType: number): void {
  if (wireType !== 2) throw new Rejected("malformed", `field time has wire type ${wireType}`);
  const from = lengthOf(reader, "time");
  const inner = new WireReader(reader.bytes, from, reader.position);
  while (!inner.done) {
    const { field, wireType: type } = tag(inner);
    if (field === 1 || field === 2) {
      const value = type === 0 ? inner.signed() : undefined;
      if (value === undefined) throw new Rejected("malformed", "field time is malformed");
      // Years 1 to 9999, as google.protobuf.Timestamp has it: JSON cannot say more.
      const [least, most] = field === 1 ? [-62_135_596_800n, 253_402_300_799n] : [0n, 999_999_999n];
      if (value < least || value > most) throw new Rejected("malformed", `time is out of range: ${value}`);
    } else if (!inner.skip(type)) {
      throw new Rejected("malformed", "field time is malformed");
    }
  }
}

/** Returns the bytes of key and value. */
function walkExtension(reader: WireReader, wireType: number): number {
  if (wireType !== 2) throw new Rejected("malformed", `field extensions has wire type ${wireType}`);
  const from = lengthOf(reader, "extensions");
  const inner = new WireReader(reader.bytes, from, reader.position);
  let bytes = 0;
  while (!inner.done) {
    const { field, wireType: type } = tag(inner);
    if (field === 1 || field === 2) {
      if (type !== 2) throw new Rejected("malformed", "an extension is malformed");
      const start = lengthOf(inner, "extensions");
      text(
        inner.bytes,
        start,
        inner.position,
        field === 1 ? "the name of an extension" : "the value of an extension",
        Limits.extensionBytes,
      );
      bytes += inner.position - start;
    } else if (!inner.skip(type)) {
      throw new Rejected("malformed", "an extension is malformed");
    }
  }
  return bytes;
}
