import { hash } from "node:crypto";
import { fixedArray } from "@warren/postgres";
import { writeUuidV7 } from "@warren/protocol";

/** What makes an event the one it is. */
export interface EventIdentity {
  readonly source: string;
  readonly id: string;
}

/**
 * How a log makes 128 bits of an event's identity. A log keeps the format it was made with, for what it stored is told by it (W3).
 *
 * 1: `eventKey`. 2: the same, but of an id that is a UUIDv7 its own bits, the lower half of them XORed with a hash of the source: no two ids of one source have the
 * same key, those of two sources only by a chance of 2^-74 within one millisecond, and keys of one time lie side by side in their index (ADR-0014).
 */
export type KeyFormat = 1 | 2;

/** The format of what is made now. */
export const currentKeyFormat: KeyFormat = 2;

const keyBytes = 16;
/** Where the lower half begins. */
const half = 8;

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
  if (format === 2 && writeUuidV7(identity, target, at)) {
    const mask = maskOf(source);
    for (let i = 0; i < half; i += 1) target[at + half + i] = (target[at + half + i] ?? 0) ^ (mask[i] ?? 0);
    return;
  }
  target.write(hash("sha256", `${source.length}:${source}${identity.id}`, "binary"), at, keyBytes, "latin1");
}

/** Of recent sources: most events of a log have few. */
const masks = new Map<string, Buffer>();
const keptMasks = 1_000;

function maskOf(source: string): Buffer {
  const known = masks.get(source);
  if (known !== undefined) return known;
  const mask = hash("sha256", source, "buffer").subarray(0, half);
  if (masks.size >= keptMasks) masks.clear();
  masks.set(source, mask);
  return mask;
}
