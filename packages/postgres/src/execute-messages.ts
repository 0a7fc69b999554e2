/** A value with more bytes is a piece of its own, not copied. */
const copiedBytes = 1024;
const bind = 0x42;
const format = { text: 0, binary: 1 } as const;

/** Describe of the unnamed portal, which asks for the columns; Execute of all its rows; Sync. */
const describe = Buffer.from("D\0\0\0\x06P\0", "latin1");
const executeAndSync = Buffer.from("E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04", "latin1");
const describeToo = Buffer.concat([describe, executeAndSync]);

/** A value of a parameter: bytes are in PostgreSQL's binary format of its type (for bytea they are the bytes), all else is its text, null is NULL. */
export type ParameterValue = string | number | bigint | Uint8Array | null;

/**
 * Runs a named statement: Bind to the unnamed portal (https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-BIND), Execute and
 * Sync, in pieces to be written one after the other; one, unless a value is large. Results come as text. Bytes of values are not to be changed until they are written.
 */
export function executeMessages(
  statement: string,
  values: readonly ParameterValue[],
  options: { readonly describe: boolean },
): readonly Uint8Array[] {
  const count = values.length;
  const parameters: (string | Uint8Array | null)[] = [];
  const sizes: number[] = [];
  const nameBytes = Buffer.byteLength(statement);
  const tail = options.describe ? describeToo : executeAndSync;
  // Type, length, portal, name, count and formats, count and lengths, count of result formats.
  const fixed = 1 + 4 + 1 + nameBytes + 1 + 2 + count * 2 + 2 + count * 4 + 2;
  let all = 0;
  let copied = 0;
  for (const value of values) {
    const parameter = typeof value === "number" || typeof value === "bigint" ? String(value) : value;
    const size = sizeOf(parameter);
    parameters.push(parameter);
    sizes.push(size);
    all += size;
    if (size <= copiedBytes) copied += size;
  }
  const buffer = Buffer.allocUnsafe(fixed + copied + tail.length);
  let at = buffer.writeUInt8(bind, 0);
  at = buffer.writeInt32BE(fixed - 1 + all, at);
  at = buffer.writeUInt8(0, at);
  at += buffer.write(statement, at);
  at = buffer.writeUInt8(0, at);
  at = buffer.writeInt16BE(count, at);
  for (const parameter of parameters) at = buffer.writeInt16BE(typeof parameter === "string" ? format.text : format.binary, at);
  at = buffer.writeInt16BE(count, at);
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (let index = 0; index < count; index += 1) {
    const parameter = parameters[index] ?? null;
    const size = sizes[index] ?? 0;
    at = buffer.writeInt32BE(parameter === null ? -1 : size, at);
    if (parameter === null) continue;
    if (size > copiedBytes) {
      pieces.push(buffer.subarray(from, at), typeof parameter === "string" ? Buffer.from(parameter) : parameter);
      from = at;
    } else if (typeof parameter === "string") {
      at += buffer.write(parameter, at);
    } else {
      buffer.set(parameter, at);
      at += size;
    }
  }
  // No format is given for results: text.
  at = buffer.writeInt16BE(0, at);
  buffer.set(tail, at);
  pieces.push(from === 0 ? buffer : buffer.subarray(from));
  return pieces;
}

function sizeOf(parameter: string | Uint8Array | null): number {
  if (parameter === null) return 0;
  return typeof parameter === "string" ? Buffer.byteLength(parameter) : parameter.length;
}
