/** OIDs in pg_type of what arrays may hold. */
const oids = { bytea: 17, int2: 21, text: 25, json: 114, timestamptz: 1184, uuid: 2950 } as const;

/** An element's type. */
export type BinaryType = keyof typeof oids;

/*
 * Arrays of one dimension in PostgreSQL's binary format, as parameters. As text they would be written here, sent at up to twice the size, and parsed there.
 * Numbers are big-endian, a timestamptz is microseconds since 2000 as int8, text is UTF-8.
 */

/** An array of elements as they are; null is NULL. */
export function binaryArray(type: BinaryType, elements: readonly (Uint8Array | null)[]): Buffer {
  let [bytes, nulls] = [0, 0];
  for (const element of elements) {
    bytes += element?.length ?? 0;
    nulls += element === null ? 1 : 0;
  }
  const array = begin({ type, size: elements.length, bytes, nulls });
  let at = headerBytes;
  for (const element of elements) {
    array.writeInt32BE(element?.length ?? -1, at);
    at += 4;
    if (element === null) continue;
    array.set(element, at);
    at += element.length;
  }
  return array;
}

/** An array of `size` elements of `bytes` bytes each, written by `write` in place. */
export function fixedArray(
  type: BinaryType,
  { size, bytes }: { readonly size: number; readonly bytes: number },
  write: (target: Buffer, at: number, index: number) => void,
): Buffer {
  const array = begin({ type, size, bytes: size * bytes, nulls: 0 });
  let at = headerBytes;
  for (let i = 0; i < size; i += 1) {
    array.writeInt32BE(bytes, at);
    write(array, at + 4, i);
    at += 4 + bytes;
  }
  return array;
}

const headerBytes = 20;

/** Dimensions, whether there are NULLs, type, size, lower bound; every element has its length before it. */
function begin({ type, size, bytes, nulls }: { type: BinaryType; size: number; bytes: number; nulls: number }): Buffer {
  const array = Buffer.allocUnsafe(headerBytes + size * 4 + bytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(nulls === 0 ? 0 : 1, 4);
  array.writeInt32BE(oids[type], 8);
  array.writeInt32BE(size, 12);
  array.writeInt32BE(1, 16);
  return array;
}
