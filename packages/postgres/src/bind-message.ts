/** A value with more bytes is a piece of its own, not copied. */
const copiedBytes = 1024;
const bind = 0x42;
const format = { text: 0, binary: 1 } as const;

/** A value of a parameter: bytes are in PostgreSQL's binary format of its type (for bytea they are the bytes), all else is its text, null is NULL. */
export type ParameterValue = string | number | bigint | Uint8Array | null;

/**
 * Bind of a named statement to the unnamed portal (https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-BIND), in pieces
 * to be written one after the other; results come as text. Bytes of values are not to be changed until they are written.
 */
export function bindMessage(statement: string, values: readonly ParameterValue[]): readonly Uint8Array[] {
  const parameters = values.map((value) => (typeof value === "number" || typeof value === "bigint" ? String(value) : value));
  const sizes = parameters.map(sizeOf);
  const name = Buffer.from(statement);
  // Type, length, portal, name, count and formats, count and lengths, count of result formats.
  const fixed = 1 + 4 + 1 + name.length + 1 + 2 + parameters.length * 2 + 2 + parameters.length * 4 + 2;
  const all = sizes.reduce((sum, size) => sum + size, 0);
  const copied = sizes.reduce((sum, size) => sum + (size <= copiedBytes ? size : 0), 0);
  const buffer = Buffer.allocUnsafe(fixed + copied);
  let at = buffer.writeUInt8(bind, 0);
  at = buffer.writeInt32BE(fixed - 1 + all, at);
  at = buffer.writeUInt8(0, at);
  at += name.copy(buffer, at);
  at = buffer.writeUInt8(0, at);
  at = buffer.writeInt16BE(parameters.length, at);
  for (const parameter of parameters) at = buffer.writeInt16BE(typeof parameter === "string" ? format.text : format.binary, at);
  at = buffer.writeInt16BE(parameters.length, at);
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const [index, parameter] of parameters.entries()) {
    const size = sizes[index] ?? 0;
    at = buffer.writeInt32BE(parameter === null ? -1 : size, at);
    if (parameter === null) continue;
    const bytes = typeof parameter === "string" ? Buffer.from(parameter) : parameter;
    if (size > copiedBytes) {
      pieces.push(buffer.subarray(from, at), bytes);
      from = at;
    } else {
      buffer.set(bytes, at);
      at += size;
    }
  }
  // No format is given for results: text.
  at = buffer.writeInt16BE(0, at);
  pieces.push(buffer.subarray(from, at));
  return pieces;
}

function sizeOf(parameter: string | Uint8Array | null): number {
  if (parameter === null) return 0;
  return typeof parameter === "string" ? Buffer.byteLength(parameter) : parameter.length;
}
