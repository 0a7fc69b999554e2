/** Headers that speak to RabbitMQ, not about the event: routing copies, and what brokers add on their way. */
export function isNotAnAttribute(name: string): boolean {
  return (
    name === "CC" ||
    name === "BCC" ||
    name === "x-death" ||
    name.startsWith("x-first-death") ||
    name.startsWith("x-last-death") ||
    name === "x-delivery-count" ||
    name === "x-acquired-count"
  );
}

/** A header's value as text: text and numbers as they are, tables and lists as JSON, bytes as base64. Never throws. */
export function headerText(value: unknown): string {
  if (typeof value === "string") return value.toWellFormed();
  if (value === null || typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString();
  if (value instanceof Uint8Array) return base64(value);
  return JSON.stringify(plain(value, 0)) ?? "";
}

const deepest = 16;

function plain(value: unknown, depth: number): unknown {
  if (depth > deepest) return "…";
  if (Array.isArray(value)) return value.map((item: unknown) => plain(item, depth + 1));
  if (value instanceof Map) {
    // A null prototype, so that a key like __proto__ is a key.
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, item] of value) copy[String(key)] = plain(item, depth + 1);
    return copy;
  }
  return value === null || typeof value === "number" || typeof value === "boolean" ? value : headerText(value);
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
