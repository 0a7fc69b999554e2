import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createPublisher, isWarrenError, type NewEvent, type Publisher } from "@warren/client";
import { Limits } from "@warren/protocol";
import { OutcomeStatus, type EventSchema } from "@warren/protocol/v1";
import { describeBadInput, type BadInputRow } from "@warren/test-servers";
import type { Options } from "amqplib";
import { inject } from "vitest";
import { outcome, World, type Arrived } from "../testing/bad-input-world.ts";
import { garbled, noExchange, refusedByRabbitMq, told, unroutable } from "../testing/foreign-senders.ts";

type Event = MessageInitShape<typeof EventSchema>;

const statuses: Readonly<Partial<Record<OutcomeStatus, string>>> = {
  [OutcomeStatus.OK]: "ok",
  [OutcomeStatus.REJECTED]: "rejected",
  [OutcomeStatus.INDETERMINATE]: "indeterminate",
};

/** The outcome of one event through the broker. */
function publishOne(world: World, event: Event): Promise<string> {
  return outcome(async () => {
    const { outcomes } = await world.publishing.publish({ events: [{ source: "/s", type: "a.b", ...event }] });
    return `${statuses[outcomes[0]?.status ?? 0] ?? "none"} ${outcomes[0]?.code ?? ""}`.trim();
  });
}

/** A row of a message that a foreign sender publishes; `look` tells more of what was stored. */
function foreign(
  number: string,
  input: string,
  expected: string,
  message: { readonly type?: string; readonly body?: Uint8Array | string; readonly options?: Options.Publish; readonly note?: string },
  look: (arrived: Arrived) => string = told,
): BadInputRow<World> {
  const { type = "foreign.x", body = "x", options = {}, note } = message;
  return {
    number,
    input: `foreign: ${input}`,
    expected,
    ...(note === undefined ? {} : { note }),
    got: async (world) => look(await world.foreign(type, body, options)),
  };
}

/** What the SDK says of an event, before anything is sent. */
function sdk(
  number: string,
  input: string,
  event: Partial<Record<keyof NewEvent, unknown>>,
  expected = "EVENT_INVALID",
): BadInputRow<World> {
  return {
    number,
    input: `SDK: ${input}`,
    expected,
    async got({ deployment }) {
      await using publisher: Publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
      try {
        await publisher.publish({ type: "sdk.x", source: "/s", ...event } as NewEvent);
        return "ok";
      } catch (error) {
        return isWarrenError(error) ? error.code : `untyped ${String(error)}`;
      }
    },
  };
}

const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;
let deep: unknown = "bottom";
for (let i = 0; i < 100_000; i += 1) deep = [deep];

const large = new Uint8Array(17 * 1024 * 1024);

/** The twelve names of the prototype that headers and extensions must not reach. */
const hostileKeys = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "isPrototypeOf",
  "__defineGetter__",
  "__lookupSetter__",
  "isAdmin",
  "then",
  "toJSON",
];

/** SQL, templates and formats, in a routing key: whatever it is, it is a type. */
const hostileTypes = [
  "' OR 1=1--",
  '"; drop table quarantine; --',
  "$1",
  "%s%n",
  "a..b",
  ".",
  "*.#",
  "Ω.é",
  "\\",
  "{{7*7}}",
  "<b>",
  "null",
];

function keptKeys({ events }: Arrived): string {
  const [event] = events;
  const own = hostileKeys.filter((key) => Object.hasOwn(event?.extensions ?? {}, key) && event?.extensions[key] === "v");
  const polluted = ({} as { readonly isAdmin?: unknown }).isAdmin !== undefined;
  return `${own.length} own keys${polluted ? ", and the prototype changed" : ""}`;
}

const rows: readonly BadInputRow<World>[] = [
  { number: "59a", input: "an empty type", expected: "rejected EVENT_INVALID", got: (world) => publishOne(world, { type: "" }) },
  {
    number: "59b",
    input: "a type of 201 bytes",
    expected: "rejected EVENT_INVALID",
    got: (world) => publishOne(world, { type: "x".repeat(201) }),
  },
  {
    number: "59c",
    input: "a type of 17 words",
    expected: "rejected EVENT_INVALID",
    got: (world) => publishOne(world, { type: Array.from({ length: 17 }, () => "a").join(".") }),
  },
  { number: "59d", input: "no source", expected: "rejected EVENT_INVALID", got: (world) => publishOne(world, { source: "" }) },
  { number: "59e", input: "an id with NUL", expected: "rejected EVENT_INVALID", got: (world) => publishOne(world, { id: "a\u0000" }) },
  {
    number: "59f",
    input: "an extension called id",
    expected: "rejected EVENT_INVALID",
    got: (world) => publishOne(world, { extensions: { id: "x" } }),
  },
  {
    number: "59g",
    input: "a time in the year 10 000",
    expected: "rejected EVENT_INVALID",
    got: (world) => publishOne(world, { time: { seconds: 253_402_300_800n, nanos: 0 } }),
  },
  {
    number: "59h",
    input: "a time with -1 nanoseconds",
    expected: "rejected EVENT_INVALID",
    got: (world) => publishOne(world, { time: { seconds: 0n, nanos: -1 } }),
  },
  {
    number: "59i",
    input: "no events",
    expected: "invalid_argument REQUEST_INVALID",
    got: ({ publishing }) => outcome(async () => `${(await publishing.publish({})).outcomes.length} outcomes`),
  },
  {
    number: "59j",
    input: "1 001 events",
    expected: "invalid_argument REQUEST_INVALID",
    got: ({ publishing }) =>
      outcome(async () => `${(await publishing.publish({ events: Array.from({ length: 1_001 }, () => ({})) })).outcomes.length} outcomes`),
  },
  sdk("60a", "data above 1 MiB", { data: new Uint8Array(Limits.eventBytes + 1) }, "TOO_LARGE"),
  {
    number: "60b",
    input: "data above 1 MiB, through the broker",
    expected: "rejected TOO_LARGE",
    got: (world) => publishOne(world, { body: { case: "data", value: new Uint8Array(Limits.eventBytes + 1) } }),
  },
  sdk("61", "extensions above 16 KiB", { extensions: { a: "x".repeat(9_000), b: "x".repeat(9_000) } }),
  sdk("62a", "a type above 255 bytes", { type: "x".repeat(256) }),
  sdk("62b", "an id above 255 bytes", { id: "x".repeat(256) }),
  sdk("63a", "an extension NaN", { extensions: { x: Number.NaN } }),
  sdk("63b", "an extension that is a bigint", { extensions: { x: 2n ** 60n } }),
  sdk("63c", "an extension that is a function", { extensions: { x: () => 1 } }),
  sdk("63d", "an extension that holds itself", { extensions: { x: cycle } }),
  sdk("63e", "data that holds itself", { data: cycle }),
  sdk("63f", "data nested 100 000 deep", { data: deep }),
  sdk("63g", "data that is a function", { data: () => 1 }),
  sdk("63h", "data that is a bigint", { data: 1n }),
  sdk("63i", "half a surrogate in the text", { data: "\uD800" }),
  sdk("63j", "a time that is none", { time: new Date(Number.NaN) }),
  sdk("63k", "no type at all", { type: undefined }),
  { number: "64", input: "an event that no queue takes", expected: "rejected UNROUTABLE", got: unroutable },
  {
    number: "65",
    input: "an exchange that is not there",
    expected: "rejected TRANSPORT_UNAVAILABLE",
    note: "waited for, up to 15 s",
    got: noExchange,
  },
  {
    number: "66",
    input: "the same id with the same bytes",
    expected: "ok, ok, stored",
    note: "a repeat is known when it is stored, not when it is published",
    async got(world) {
      const event = { id: "twice", type: "twice.x", body: { case: "text" as const, value: "same" } };
      return `${await publishOne(world, event)}, ${await publishOne(world, event)}, ${told(await world.arrived())}`;
    },
  },
  {
    number: "67",
    input: "the same id with other bytes",
    expected: "ok, ok, stored, quarantine id_conflict",
    note: "the first one stays; RabbitMQ took the second one, which is set aside",
    async got(world) {
      const event = (value: string) => ({ id: "clash", type: "clash.x", body: { case: "text" as const, value } });
      return `${await publishOne(world, event("one"))}, ${await publishOne(world, event("two"))}, ${told(await world.arrived())}`;
    },
  },
  foreign(
    "68",
    "no message_id",
    "stored, dedup none",
    {},
    (arrived) => `${told(arrived)}, dedup ${arrived.events[0]?.extensions["dedup"]}`,
  ),
  foreign(
    "69a",
    "headers called like the prototype's",
    "12 own keys",
    { options: { headers: Object.fromEntries(hostileKeys.map((key) => [key, "v"])) } },
    keptKeys,
  ),
  {
    number: "69b",
    input: "JSON with extensions called like the prototype's",
    expected: "200, 12 own keys",
    async got(world) {
      const extensions = `{${hostileKeys.map((key) => `"${key}":"v"`).join(",")}}`;
      const status = await world.json(
        "warren.v1.PublishService/Publish",
        `{"events":[{"source":"/s","type":"json.x","extensions":${extensions}}]}`,
      );
      return `${status}, ${keptKeys(await world.arrived())}`;
    },
  },
  {
    number: "70a",
    input: "foreign: a routing key that is not UTF-8",
    expected: "quarantine bad_text",
    got: (world) => garbled(world, "bytes-key"),
  },
  foreign("70b", "NUL in the routing key", "quarantine bad_text", { type: "a\u0000b" }),
  foreign("70c", "NUL in a header", "quarantine bad_text", { options: { headers: { x: "a\u0000b" } } }),
  foreign("70d", "NUL in message_id", "quarantine bad_text", { options: { messageId: "a\u0000b", appId: "shop" } }),
  foreign("71", "a body of 17 MiB", "quarantine too_large, 0 bytes, its hash is kept", { body: large }, (arrived) => {
    const digest = createHash("sha256").update(large).digest("hex");
    const [aside] = arrived.quarantined;
    return `${told(arrived)}, ${aside?.size} bytes, ${aside?.detail.includes(digest) ? "its hash is kept" : "no hash"}`;
  }),
  foreign(
    "71b",
    "a body of 2 MiB",
    "quarantine too_large, 2097152 bytes",
    { body: new Uint8Array(2 * 1024 * 1024) },
    (arrived) => `${told(arrived)}, ${arrived.quarantined[0]?.size} bytes`,
  ),
  foreign(
    "72",
    "a gzip bomb",
    "stored as it came",
    { body: gzipSync(Buffer.alloc(64 * 1024 * 1024)), options: { contentEncoding: "gzip" } },
    ({ events: [event] }) => (event?.body.case === "data" && event.body.value.length < 100_000 ? "stored as it came" : "inflated"),
  ),
  ...(
    [
      ["73a", "a timestamp in the year 292e6", { timestamp: 9_000_000_000_000_000 }],
      ["73b", "a time before the year 1", { headers: { "cloudEvents:specversion": "1.0", "cloudEvents:time": "-000001-01-01T00:00:00Z" } }],
      ["73c", "no timestamp", {}],
    ] as const
  ).map(([number, input, options]) =>
    foreign(
      number,
      input,
      "stored, without a time",
      { options },
      (arrived) => `${told(arrived)}, ${arrived.events[0]?.time === undefined ? "without a time" : "with a time"}`,
    ),
  ),
  foreign("74a", "expiration of an hour", "stored", {
    options: { expiration: 3_600_000 },
    note: "what expires before a receiver takes it is dropped by RabbitMQ: see docs/bad-input.md",
  }),
  foreign("74b", "a priority", "stored", { options: { priority: 5 }, note: "from RabbitMQ 4.0 on it may overtake others of its queue" }),
  foreign("74c", "a transient message", "stored", { options: { deliveryMode: 1 } }),
  foreign(
    "74d",
    "CC, BCC and reply_to",
    "stored, header kept",
    { options: { CC: "foreign.y", BCC: "foreign.z", replyTo: "q", headers: { x: "v" } } },
    (arrived) => `${told(arrived)}, header ${arrived.events[0]?.extensions["x"] === "v" ? "kept" : "lost"}`,
  ),
  {
    number: "74e",
    input: "foreign: a forged user_id",
    expected: "RabbitMQ closes the sender's channel, nothing",
    got: (world) => refusedByRabbitMq(world, { userId: "somebody" }),
  },
  {
    number: "74f",
    input: "foreign: CC that is no list",
    expected: "RabbitMQ closes the sender's channel, nothing",
    got: (world) => refusedByRabbitMq(world, { headers: { CC: 7 } }),
  },
  foreign(
    "75",
    "JSON by its type, and not by its body",
    "stored, as it is",
    { body: "{not json", options: { contentType: "application/json" } },
    (arrived) => {
      const body = arrived.events[0]?.body;
      return `${told(arrived)}, ${body?.case === "text" && body.value === "{not json" ? "as it is" : "changed"}`;
    },
  ),
  foreign("76", "an empty body", "stored", { body: "" }),
  foreign(
    "77",
    "the number 1e400 in a header, as text and as JSON",
    "stored, 1e400",
    { options: { headers: { n: "1e400", list: ['{"n":1e400}'] } } },
    (arrived) => `${told(arrived)}, ${arrived.events[0]?.extensions["n"]}`,
  ),
  {
    number: "78a",
    input: "types that differ in normal form and in what is not seen",
    expected: "3 types, byte by byte",
    async got(world) {
      const twins = ["twin.é", "twin.e\u0301", "twin.é\u200B"];
      const types: string[] = [];
      for (const type of twins) types.push(...(await world.foreign(type, "x")).events.map((event) => event.type));
      return `${new Set(types).size} types${types.join() === twins.join() ? ", byte by byte" : ""}`;
    },
  },
  {
    number: "78b",
    input: "a name that is not in normal form NFC",
    expected: "invalid_argument NAME_INVALID",
    note: "names are ours: of two that look alike one is refused",
    got: (world) => world.open({ consumer: "e\u0301", receiver: { patterns: ["x"] } }),
  },
  {
    number: "78c",
    input: "a name with a character that is not seen",
    expected: "invalid_argument NAME_INVALID",
    got: (world) => world.open({ consumer: "a\u200Bb", receiver: { patterns: ["x"] } }),
  },
  foreign(
    "79",
    "a header x-replay-of",
    "stored, an extension",
    { options: { headers: { "x-replay-of": "1", "x-reemitted-from": "7" } }, note: "nothing is re-emitted yet: no header means that" },
    (arrived) => `${told(arrived)}, ${arrived.events[0]?.extensions["x-reemitted-from"] === "7" ? "an extension" : "lost"}`,
  ),
  ...hostileTypes.map((type, index) =>
    foreign(
      `91${String.fromCharCode(97 + index)}`,
      `the routing key ${type}`,
      "stored, verbatim",
      { type },
      (arrived) => `${told(arrived)}, ${arrived.events[0]?.type === type ? "verbatim" : "changed"}`,
    ),
  ),
  foreign("92a", "a pack that is no protobuf", "quarantine malformed", {
    body: "no pack",
    options: { contentType: "application/vnd.warren.pack+protobuf" },
  }),
  foreign("92b", "an empty pack", "quarantine malformed", { body: "", options: { contentType: "application/vnd.warren.pack+protobuf" } }),
  foreign("93", "70 headers", "quarantine too_large", {
    options: { headers: Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`h${i}`, "v"])) },
  }),
];

describeBadInput("publish", rows, () => World.open());
