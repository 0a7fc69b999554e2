import { WarrenError } from "./errors.ts";
import { Limits } from "./limits.ts";

const utf8 = new TextEncoder();
const patternWord = /^(?:[A-Za-z0-9_-]+|\*|#)$/;
const typeWord = /^[A-Za-z0-9_-]+$/;

/** Throws NAME_INVALID unless `name` is 1 to 200 bytes of NFC text without control characters, line separators or outer spaces. */
export function checkConsumerName(name: string): void {
  const bytes = utf8.encode(name).length;
  const wrong =
    bytes === 0
      ? "is empty"
      : bytes > Limits.nameBytes
        ? `has ${bytes} bytes, at most ${Limits.nameBytes} are allowed`
        : !name.isWellFormed()
          ? "is not valid Unicode"
          : name.normalize("NFC") !== name
            ? "is not in Unicode normal form NFC"
            : /[\p{C}\p{Zl}\p{Zp}]/u.test(name)
              ? "has a control or invisible character"
              : name.trim() !== name
                ? "begins or ends with a space"
                : undefined;
  if (wrong !== undefined) throw new WarrenError("NAME_INVALID", `consumer name ${JSON.stringify(name.slice(0, 100))} ${wrong}`);
}

/** Throws PATTERN_INVALID unless there are 1 to 32 topic patterns within the limits of `Limits`. */
export function checkPatterns(patterns: readonly string[]): void {
  if (patterns.length === 0) throw new WarrenError("PATTERN_INVALID", 'no pattern: give at least one, for example "order.#"');
  if (patterns.length > Limits.patternsPerConfig) {
    throw new WarrenError("PATTERN_INVALID", `${patterns.length} patterns, at most ${Limits.patternsPerConfig} are allowed`);
  }
  for (const pattern of patterns) {
    const wrong = wrongPattern(pattern);
    if (wrong !== undefined) throw new WarrenError("PATTERN_INVALID", `pattern ${JSON.stringify(pattern.slice(0, 250))} ${wrong}`);
  }
}

function wrongPattern(pattern: string): string | undefined {
  const words = pattern.split(".");
  if (pattern === "") return "is empty";
  if (utf8.encode(pattern).length > Limits.patternBytes) return `has more than ${Limits.patternBytes} bytes`;
  if (words.length > Limits.patternWords) return `has ${words.length} words, at most ${Limits.patternWords} are allowed`;
  const bad = words.find((word) => !patternWord.test(word));
  if (bad !== undefined)
    return bad === "" ? "has an empty word" : `has the word ${JSON.stringify(bad)}; words are letters, digits, _ and -, or * or #`;
  if (words.filter((word) => word === "#").length > Limits.patternHashes) return `has more than ${Limits.patternHashes} #`;
  if (words.some((word, i) => word === "#" && words[i + 1] === "#")) return "has #.#, which means #";
  return undefined;
}

/** Sorted by code unit, each once: equal sets of patterns become equal lists. */
export function canonicalPatterns(patterns: readonly string[]): readonly string[] {
  return [...new Set(patterns)].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** What is checked of an event before it is published. */
export interface EventAttributes {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly dataContentType: string;
  readonly dataSchema: string;
  readonly partitionKey: string;
  readonly extensions: Readonly<Record<string, string>>;
}

/** Throws EVENT_INVALID unless an event may be published; `encodedBytes` above the limit: TOO_LARGE. Binds only what *we* publish. */
export function checkEventToPublish(event: EventAttributes, encodedBytes: number): void {
  const wrong = wrongType(event.type) ?? wrongAttributes(event) ?? wrongExtensions(event.extensions);
  if (wrong !== undefined) throw new WarrenError("EVENT_INVALID", `event ${JSON.stringify(event.id.slice(0, 100))}: ${wrong}`);
  if (encodedBytes > Limits.eventBytes) {
    throw new WarrenError(
      "TOO_LARGE",
      `event ${event.id} has ${encodedBytes} bytes, at most ${Limits.eventBytes} are allowed; store the data elsewhere and send its address`,
    );
  }
}

function wrongType(type: string): string | undefined {
  const words = type.split(".");
  if (type === "") return 'type is empty; give one like "order.created"';
  if (utf8.encode(type).length > Limits.typeBytes) return `type has more than ${Limits.typeBytes} bytes`;
  if (words.length > Limits.typeWords) return `type has ${words.length} words, at most ${Limits.typeWords} are allowed`;
  const bad = words.find((word) => !typeWord.test(word));
  return bad === undefined
    ? undefined
    : `type ${JSON.stringify(type)} has the word ${JSON.stringify(bad)}; words are letters, digits, _ and -`;
}

function wrongAttributes(event: EventAttributes): string | undefined {
  if (event.source === "") return 'source is empty; give one like "/shop/orders"';
  if (event.id === "") return "id is empty";
  const { id, source, subject, dataContentType, dataSchema, partitionKey } = event;
  for (const [name, value] of Object.entries({ id, source, subject, dataContentType, dataSchema, partitionKey })) {
    if (!value.isWellFormed()) return `${name} is not valid Unicode`;
    // A message id and a content type are AMQP short strings.
    const limit = name === "id" || name === "dataContentType" ? 255 : Limits.attributeBytes;
    if (utf8.encode(value).length > limit) return `${name} has more than ${limit} bytes`;
  }
  return undefined;
}

function wrongExtensions(extensions: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(extensions);
  if (entries.length > Limits.extensionCount) return `${entries.length} extensions, at most ${Limits.extensionCount} are allowed`;
  let bytes = 0;
  for (const [name, value] of entries) {
    if (name === "" || !name.isWellFormed() || !value.isWellFormed()) return "an extension is not valid Unicode, or has no name";
    bytes += utf8.encode(name).length + utf8.encode(value).length;
  }
  return bytes > Limits.extensionBytes ? `extensions have ${bytes} bytes, at most ${Limits.extensionBytes} are allowed` : undefined;
}
