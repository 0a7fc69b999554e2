/** How many of the `size` bytes from `at` on are those of `other` from `otherAt` on, before the first that differs. Four at a time: byte by byte it takes twice as long. */
export function commonBytes(bytes: DataView, at: number, other: DataView, otherAt: number, size: number): number {
  let common = 0;
  while (common + 4 <= size && bytes.getInt32(at + common) === other.getInt32(otherAt + common)) common += 4;
  while (common < size && bytes.getInt8(at + common) === other.getInt8(otherAt + common)) common += 1;
  return common;
}
