import { WireReader } from "./wire.ts";

/**
 * Whether two events have the same type and the same data (W3): then one is a repeat of the other. Both are elements of
 * `EventBatch.events` that passed `walkEvent`. `data` and `text` of equal bytes are different: the sender said another thing.
 */
export function sameContent(a: Uint8Array, b: Uint8Array): boolean {
  const [typeA, typeB] = [lastField(a, [3]), lastField(b, [3])];
  const [bodyA, bodyB] = [lastField(a, [10, 11]), lastField(b, [10, 11])];
  return same(typeA, typeB) && same(bodyA, bodyB);
}

interface Found {
  readonly field: number;
  readonly bytes: Uint8Array;
}

/** The last occurrence counts, as in a decoder. */
function lastField(element: Uint8Array, fields: readonly number[]): Found | undefined {
  const reader = new WireReader(element, 1);
  reader.length();
  let found: Found | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag < 0) return found;
    const field = tag >>> 3;
    const before = reader.position;
    if (!reader.skip(tag % 8)) return found;
    if (!fields.includes(field)) continue;
    const content = new WireReader(element, before, reader.position);
    content.length();
    found = { field, bytes: element.subarray(content.position, reader.position) };
  }
  return found;
}

function same(a: Found | undefined, b: Found | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.field !== b.field || a.bytes.length !== b.bytes.length) return false;
  return a.bytes.every((byte, index) => byte === b.bytes[index]);
}
