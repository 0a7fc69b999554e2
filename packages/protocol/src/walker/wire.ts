/*
 * The protobuf wire format, as far as a walk needs it: https://protobuf.dev/programming-guides/encoding/
 */

/** A reader over bytes that never reads outside `[position, end)`; -1 from `varint` and `length` means malformed. */
export class WireReader {
  readonly bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  /** An unsigned varint below 2^53; -1 when it is cut off, longer than ten bytes, or larger than a number holds exactly in its low part. */
  varint(): number {
    const first = this.position < this.end ? (this.bytes[this.position] ?? 0) : 0x80;
    if (first < 0x80) {
      this.position += 1;
      return first;
    }
    // Most lengths above 127 need two bytes: a loop takes several times as long.
    const second = this.position + 1 < this.end ? (this.bytes[this.position + 1] ?? 0) : 0x80;
    if (second < 0x80) {
      this.position += 2;
      return (first & 0x7f) + second * 0x80;
    }
    return this.#longVarint();
  }

  #longVarint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i += 1) {
      if (this.position >= this.end) return -1;
      const byte = this.bytes[this.position] ?? 0;
      this.position += 1;
      // The tenth byte holds one bit: more would not fit 64.
      if (i === 9 && byte > 1) return -1;
      if (i < 7) value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  /** A varint as the signed 64 bit number it stands for, a bigint when it has more than 49 bits; undefined when malformed. */
  signed(): number | bigint | undefined {
    const from = this.position;
    const short = this.varint();
    if (short < 0) return undefined;
    if (this.position - from <= 7) return short;
    let value = 0n;
    for (let i = this.position - 1; i >= from; i -= 1) value = (value << 7n) | BigInt((this.bytes[i] ?? 0) & 0x7f);
    return BigInt.asIntN(64, value);
  }

  /** A tag, `field number * 8 + wire type`; -1 when it is cut off, longer than 32 bits or names no field. */
  tag(): number {
    const start = this.position;
    const tag = this.varint();
    return tag < 8 || tag > 0xffff_ffff || this.position - start > 5 ? -1 : tag;
  }

  /** A length that fits what is left, or -1. */
  length(): number {
    const start = this.position;
    const length = this.varint();
    // A length is a 32 bit number: five bytes at most.
    return length < 0 || this.position - start > 5 || length > this.end - this.position ? -1 : length;
  }

  /** Skips a field of a wire type; false when it is malformed. Groups are not taken. */
  skip(wireType: number): boolean {
    switch (wireType) {
      case 0:
        return this.varint() >= 0;
      case 1:
        return this.#advance(8);
      case 2: {
        const length = this.length();
        return length >= 0 && this.#advance(length);
      }
      case 5:
        return this.#advance(4);
      default:
        return false;
    }
  }

  #advance(count: number): boolean {
    if (count > this.end - this.position) return false;
    this.position += count;
    return true;
  }
}
