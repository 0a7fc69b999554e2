/** OIDs in pg_type of what arrays may hold. */
const oids = { uuid: 2950 } as const;

const headerBytes = 20;

/**
 * An array of one dimension in PostgreSQL's binary format, as a parameter: `size` elements of `bytes` bytes each, written by `write` in place. Text would be
 * written here, sent at twice the size, and parsed there.
 */
export function binaryArray(
  type: keyof typeof oids,
  size: number,
  bytes: number,
  write: (target: Buffer, at: number, index: number) => void,
): Buffer {
  const array = Buffer.allocUnsafe(headerBytes + size * (4 + bytes));
  array.writeInt32BE(1, 0);
  array.writeInt32BE(0, 4);
  array.writeInt32BE(oids[type], 8);
  array.writeInt32BE(size, 12);
  array.writeInt32BE(1, 16);
  let at = headerBytes;
  for (let i = 0; i < size; i += 1) {
    array.writeInt32BE(bytes, at);
    write(array, at + 4, i);
    at += 4 + bytes;
  }
  return array;
}
