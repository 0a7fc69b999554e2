import { hash } from "node:crypto";
import { fixedArray } from "@warren/postgres";
import { WarrenError, writeUuidV7 } from "@warren/protocol";

/** What makes an event the one it is. */
export interface EventIdentity {
  readonly source: string;
  readonly id: string;
}

/**
 * How a log makes 128 bits of an event's identity. A log keeps the format it was made with, for what it stored is told by it (W3).
 *
 * 1: `eventKey`. 3: the same, but of an id that is a UUIDv7 its own bits, to the lower half of which a hash of the source is added (modulo 2^64): no two ids of one source have the
 * same key, those of two sources only by a chance of 2^-74 within one millisecond, and the keys of a source are in the order of its ids, at the end of their index (ADR-0014).
 * 2: as 3, but the hash was XORed: ids that were counted up had keys out of order.
 */
export type KeyFormat = 1 | 2 | 3;

/** The format of what is made now; no other is higher. */
export const currentKeyFormat: KeyFormat = 3;

/** The format of what `made` names, as the database has it. Throws STORE_UNAVAILABLE when it is of a newer version: what is stored could not be told by it. */
export function checkKeyFormat(format: number, made: string): KeyFormat {
  if (format === 1 || format === 2 || format === 3) return format;
  const text = `${made} has keys of format ${format}, and this version of Warren knows none above ${currentKeyFormat}; start a newer version`;
  throw new WarrenError("STORE_UNAVAILABLE", text);
}

const keyBytes = 16;
/** Where the lower half begins, and the bytes of a part of it that is read as one number. */
const [half, word] = [8, 4];

/** Keys of events, as a parameter of type uuid[]. */
export function keysParameter(format: KeyFormat, identities: readonly EventIdentity[]): Buffer {
  return fixedArray("uuid", { size: identities.length, bytes: keyBytes }, (target, at, index) => {
    const identity = identities[index];
    if (identity !== undefined) writeEventKey(format, identity, target, at);
  });
}

/** The key of one event, as a parameter of type uuid. */
export function keyParameter(format: KeyFormat, identity: EventIdentity): Buffer {
  const key = Buffer.allocUnsafe(keyBytes);
  writeEventKey(format, identity, key, 0);
  return key;
}

/** Whether two of these events have the same key. */
export function shareKey(format: KeyFormat, identities: readonly EventIdentity[]): boolean {
  return new Set(identities.map((identity) => keyParameter(format, identity).toString("latin1"))).size < identities.length;
}

/** Writes the key of an event. */
export function writeEventKey(format: KeyFormat, identity: EventIdentity, target: Buffer, at: number): void {
  const { source } = identity;
  if (format === 1 || !writeUuidV7(identity, target, at)) {
    target.write(hash("sha256", `${source.length}:${source}${identity.id}`, "binary"), at, keyBytes, "latin1");
    return;
  }
  const mask = maskOf(source);
  const [high, low] = [target.readUInt32BE(at + half), target.readUInt32BE(at + half + word)];
  const sum = low + mask.low;
  target.writeUInt32BE((format === 2 ? high ^ mask.high : high + mask.high + (sum >= 2 ** 32 ? 1 : 0)) >>> 0, at + half);
  target.writeUInt32BE((format === 2 ? low ^ mask.low : sum) >>> 0, at + half + word);
}

/** The first 64 bits of SHA-256 over a source, as two numbers. */
interface Mask {
  readonly high: number;
  readonly low: number;
}

/** Of recent sources: most events of a log have few. */
const masks = new Map<string, Mask>();
const keptMasks = 1_000;

function maskOf(source: string): Mask {
  const known = masks.get(source);
  if (known !== undefined) return known;
  const digest = hash("sha256", source, "buffer");
  const mask = { high: digest.readUInt32BE(0), low: digest.readUInt32BE(word) };
  if (masks.size >= keptMasks) masks.clear();
  masks.set(source, mask);
  return mask;
}
