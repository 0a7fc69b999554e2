import type { EventFields } from "./event.ts";
import { eventTag } from "./walker/walk-batch.ts";

/** Writes events field by field, in the order of their numbers, as the protobuf library does. Every function returns where it ends, and expects room enough. */

const utf8 = new TextEncoder();

/** Where the content of an element begins: behind its tag and a length of two bytes, what nearly every event needs. */
export const contentOffset = 3;

/** An element of `EventBatch.events`. */
export function writeElement(bytes: Uint8Array, start: number, event: EventFields): number {
  return finishElement(bytes, start, writeEvent(bytes, start + contentOffset, event));
}

/** Writes tag and length of an element whose content is at `start + contentOffset` and ends at `end`; moves it when its length needs another number of bytes. */
export function finishElement(bytes: Uint8Array, start: number, end: number): number {
  const content = start + contentOffset;
  const size = end - content;
  const from = start + 1 + sizeOfLength(size);
  if (from !== content) bytes.copyWithin(from, content, end);
  bytes[start] = eventTag;
  writeVarint(bytes, start + 1, size);
  return from + size;
}

function writeEvent(bytes: Uint8Array, start: number, event: EventFields): number {
  const { time, extensions, body } = event;
  let at = writeFirst(bytes, writeField(bytes, start, 1, event.id), event);
  if (time !== undefined) at = writeTime(bytes, at, Number(time.seconds), time.nanos);
  at = writeLast(bytes, at, event);
  for (const name in extensions) {
    if (Object.hasOwn(extensions, name)) at = writeExtension(bytes, at, name, extensions[name] ?? "");
  }
  return writeBody(bytes, at, body.value);
}

/** The fields between id and time. */
function writeFirst(bytes: Uint8Array, start: number, { source, type, subject }: Pick<EventFields, "source" | "type" | "subject">): number {
  return writeField(bytes, writeField(bytes, writeField(bytes, start, 2, source), 3, type), 4, subject);
}

/** The texts behind the time. */
function writeLast(
  bytes: Uint8Array,
  start: number,
  { dataContentType, dataSchema, partitionKey }: Pick<EventFields, "dataContentType" | "dataSchema" | "partitionKey">,
): number {
  return writeField(bytes, writeField(bytes, writeField(bytes, start, 6, dataContentType), 7, dataSchema), 8, partitionKey);
}

/** Nothing is written of none. */
export function writeBody(bytes: Uint8Array, at: number, body: string | Uint8Array | undefined): number {
  if (body === undefined) return at;
  if (typeof body === "string") return writeText(bytes, at, 11, body);
  bytes[at] = tagOf(10);
  const content = writeVarint(bytes, at + 1, body.length);
  bytes.set(body, content);
  return content + body.length;
}

/** Tag of a text, bytes or a message. */
export const tagOf = (field: number): number => field * 8 + 2;

/** An empty text is not written. */
export function writeField(bytes: Uint8Array, at: number, field: number, text: string): number {
  return text === "" ? at : writeText(bytes, at, field, text);
}

/** Field 5. From 1970 on: neither number is negative. */
export function writeTime(bytes: Uint8Array, at: number, seconds: number, nanos: number): number {
  bytes[at] = tagOf(5);
  let end = at + 2;
  if (seconds > 0) {
    bytes[end] = 0x08;
    end = writeVarint(bytes, end + 1, seconds);
  }
  if (nanos > 0) {
    bytes[end] = 0x10;
    end = writeVarint(bytes, end + 1, nanos);
  }
  bytes[at + 1] = end - at - 2;
  return end;
}

function writeExtension(bytes: Uint8Array, at: number, name: string, value: string): number {
  bytes[at] = tagOf(9);
  const content = at + 2;
  const end = writeText(bytes, writeText(bytes, content, 1, name), 2, value);
  const size = end - content;
  const from = at + 1 + sizeOfLength(size);
  if (from !== content) bytes.copyWithin(from, content, end);
  writeVarint(bytes, at + 1, size);
  return from + size;
}

/** Up to so many ASCII characters a loop is faster than a call of the encoder. */
const shortText = 48;

/** Tag, length and text. */
function writeText(bytes: Uint8Array, at: number, field: number, text: string): number {
  bytes[at] = tagOf(field);
  // As if it were ASCII; what needs a longer length is moved.
  const content = at + 1 + sizeOfLength(text.length);
  const size =
    text.length <= shortText && writeAscii(bytes, content, text) ? text.length : utf8.encodeInto(text, bytes.subarray(content)).written;
  const from = at + 1 + sizeOfLength(size);
  if (from !== content) bytes.copyWithin(from, content, content + size);
  writeVarint(bytes, at + 1, size);
  return from + size;
}

/** False, with something written, when it is not ASCII, or has a NUL. */
export function writeAscii(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 0x7f || code === 0) return false;
    bytes[at + i] = code;
  }
  return true;
}

function sizeOfLength(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : 3;
}

/** Numbers below 2^53. */
function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at] = (rest % 0x80) + 0x80;
    rest = Math.floor(rest / 0x80);
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}
