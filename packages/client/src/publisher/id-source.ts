import { V7Generator } from "uuidv7";

const digits = new TextEncoder().encode("0123456789abcdef");
const dash = 0x2d;
const textBytes = 36;

/** Makes UUIDv7s. Random numbers are drawn for many at once, and the text is written in one piece: as calls and joined strings they cost as much as an event. */
export function idSource(): () => string {
  const numbers = new Uint32Array(1024);
  let next = numbers.length;
  const nextUint32 = (): number => {
    if (next === numbers.length) {
      crypto.getRandomValues(numbers);
      next = 0;
    }
    next += 1;
    return numbers[next - 1] ?? 0;
  };
  const generator = new V7Generator({ nextUint32 });
  const text = Buffer.alloc(textBytes);
  return () => {
    const { bytes } = generator.generate();
    let at = 0;
    for (let i = 0; i < bytes.length; i += 1) {
      if (i === 4 || i === 6 || i === 8 || i === 10) {
        text[at] = dash;
        at += 1;
      }
      const byte = bytes[i] ?? 0;
      text[at] = digits[byte >>> 4] ?? 0;
      text[at + 1] = digits[byte & 0xf] ?? 0;
      at += 2;
    }
    return text.toString("latin1");
  };
}
