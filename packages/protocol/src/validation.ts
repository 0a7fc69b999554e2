import { WarrenError } from "./errors.ts";
import { Limits } from "./limits.ts";

const utf8 = new TextEncoder();
const patternWord = /^(?:[A-Za-z0-9_-]+|\*|#)$/;
/** The most that AMQP takes in a short string. */
const shortStringBytes = 255;
const typeWord = /^[A-Za-z0-9_-]+$/;
/** Types that are right at a glance: ASCII words, fewer than may be. */
const plainType = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){0,15}$/;

/** Whether a text has more bytes than allowed; it is encoded only when that is not clear from its length. */
function isLonger(text: string, limit: number): boolean {
  return text.length > limit || (text.length * 3 > limit && utf8.encode(text).length > limit);
}

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

/** Names of the attributes that are fields of Event (and of specversion): no extension of an event that we publish may have one of them. */
export const standardAttributes: ReadonlySet<string> = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "dataschema",
  "datacontenttype",
  "partitionkey",
]);

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
  readonly body:
    | { readonly case: "text"; readonly value: string }
    | { readonly case: "data"; readonly value: Uint8Array }
    | { readonly case: undefined };
}

/** Throws EVENT_INVALID unless an event may be published. Binds only what *we* publish; its size is checked when it is encoded. */
export function checkEventToPublish(event: EventAttributes): void {
  new PublishCheck().check(event);
  checkId(event.id);
}

/** Checks one event after another: attributes that are those of the event before, as in most runs of events, are not looked at again. */
export class PublishCheck {
  readonly #right = { type: "", source: "", subject: "", dataContentType: "", dataSchema: "", partitionKey: "" };

  /** As `checkEventToPublish`, all but the id. */
  check(event: EventAttributes): void {
    const known = this.#isKnown(event);
    const wrong =
      (known ? undefined : (wrongType(event.type) ?? wrongAttributes(event))) ?? wrongBody(event.body) ?? wrongExtensions(event.extensions);
    if (wrong !== undefined) throw invalid(event.id, wrong);
    if (known) return;
    const { type, source, subject, dataContentType, dataSchema, partitionKey } = event;
    Object.assign(this.#right, { type, source, subject, dataContentType, dataSchema, partitionKey });
  }

  #isKnown(event: EventAttributes): boolean {
    const right = this.#right;
    return (
      event.type === right.type &&
      // Of none there is nothing known.
      right.type !== "" &&
      event.source === right.source &&
      event.subject === right.subject &&
      event.dataContentType === right.dataContentType &&
      event.dataSchema === right.dataSchema &&
      event.partitionKey === right.partitionKey
    );
  }
}

/** Whether a text may be the subject or the partition key of an event. */
export const isAttribute = (text: string): boolean => text === "" || wrongText("", text, Limits.attributeBytes) === undefined;

/** Throws EVENT_INVALID unless an event may be published with this id. */
export function checkId(id: string): void {
  // A message id is an AMQP short string.
  const wrong =
    id === ""
      ? "id is empty"
      : (wrongText("id", id, shortStringBytes) ??
        // What AMQP clients make of bytes that are not UTF-8: a receiver could not tell it from a garbled id.
        (id.includes("\uFFFD") ? "id has the replacement character U+FFFD" : undefined));
  if (wrong !== undefined) throw invalid(id, wrong);
}

function invalid(id: string, wrong: string): WarrenError {
  return new WarrenError("EVENT_INVALID", `event ${JSON.stringify(id.slice(0, 100))}: ${wrong}`);
}

function wrongType(type: string): string | undefined {
  if (typeof type !== "string") return `type is a ${typeof type}; give one like "order.created"`;
  if (type.length <= Limits.typeBytes && plainType.test(type)) return undefined;
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
  const { source, subject, dataContentType, dataSchema, partitionKey } = event;
  return (
    wrongText("source", source, Limits.attributeBytes) ??
    wrongText("subject", subject, Limits.attributeBytes) ??
    // A content type is an AMQP short string.
    wrongText("dataContentType", dataContentType, shortStringBytes) ??
    wrongText("dataSchema", dataSchema, Limits.attributeBytes) ??
    wrongText("partitionKey", partitionKey, Limits.attributeBytes)
  );
}

function wrongBody(body: EventAttributes["body"]): string | undefined {
  return body.case === "text" && !body.value.isWellFormed() ? "the data is not valid Unicode; send it as bytes" : undefined;
}

function wrongText(name: string, value: string, limit: number): string | undefined {
  // A program without types may give anything.
  if (typeof value !== "string") return `${name} is a ${typeof value}, not a text`;
  if (value === "") return undefined;
  if (!value.isWellFormed()) return `${name} is not valid Unicode`;
  if (value.includes("\0")) return `${name} has a NUL character`;
  return isLonger(value, limit) ? `${name} has more than ${limit} bytes` : undefined;
}

function wrongExtensions(extensions: Readonly<Record<string, string>>): string | undefined {
  if (isEmpty(extensions)) return undefined;
  const entries = Object.entries(extensions);
  if (entries.length > Limits.extensionCount) return `${entries.length} extensions, at most ${Limits.extensionCount} are allowed`;
  let bytes = 0;
  for (const [name, value] of entries) {
    if (name === "") return "an extension has no name";
    if (standardAttributes.has(name.toLowerCase())) return `extension ${JSON.stringify(name)} has the name of an attribute; set that one`;
    // With its prefix it is the name of an AMQP header, a short string.
    const wrong =
      wrongText("the name of an extension", name, Limits.extensionNameBytes) ??
      wrongText(`extension ${name}`, value, Limits.extensionBytes);
    if (wrong !== undefined) return wrong;
    bytes += utf8.encode(name).length + utf8.encode(value).length;
  }
  return bytes > Limits.extensionBytes ? `extensions have ${bytes} bytes, at most ${Limits.extensionBytes} are allowed` : undefined;
}

/** A loop, not `Object.keys`: nearly all events have none, and need no list that says so. */
function isEmpty(object: Readonly<Record<string, string>>): boolean {
  for (const name in object) if (Object.hasOwn(object, name)) return false;
  return true;
}
