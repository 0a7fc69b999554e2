import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AckMode, AdminService, ConsumerState, OnConflict, type OpenSchema } from "@warren/protocol/v1";
import { describeBadInput, Http2Frames, RawHttp2, startFaultProxy, type BadInputRow } from "@warren/test-servers";
import { inject } from "vitest";
import { deploy } from "../testing/broker-under-test.ts";
import { describeError, World } from "../testing/bad-input-world.ts";

type Open = MessageInitShape<typeof OpenSchema>;
const follow = "warren.v1.SubscriptionService/Follow";
const receiver = { patterns: ["subscribe.#"] };

function row(number: string, input: string, open: Open, expected: string, note?: string): BadInputRow<World> {
  return { number, input, expected, ...(note === undefined ? {} : { note }), got: (world) => world.open(open) };
}

const name = (number: string, input: string, consumer: string, expected: string, note?: string) =>
  row(number, `a name ${input}`, { consumer, receiver }, expected, note);
const patterns = (number: string, input: string, given: readonly string[], expected = "invalid_argument PATTERN_INVALID") =>
  row(number, input, { receiver: { patterns: [...given] } }, expected);
const after = (afterOffset: bigint) => ({ start: { case: "afterOffset" as const, value: afterOffset } });
const time = (seconds: bigint) => ({ start: { case: "time" as const, value: { seconds, nanos: 0 } } });

/** Names that must come back as they were given. */
const verbatim = [
  "__proto__",
  "constructor",
  "' OR 1=1--",
  '"; drop table consumers; --',
  "${x}",
  "{{7*7}}",
  "%s%n",
  "../../etc/passwd",
  "\\x00",
  "a'b\"c`d",
  "<script>",
  "é",
];

/** Opens a name, and gives the name as an operator sees it. */
async function kept(world: World, consumer: string): Promise<string> {
  const opened = await world.open({ consumer, receiver });
  if (opened !== "opened") return opened;
  const { consumers } = await world.admin.listConsumers({});
  return consumers.some((each) => each.name === consumer) ? "kept as it is" : "another name";
}

const rows: readonly BadInputRow<World>[] = [
  row("30", "no name", { receiver }, "opened", "an empty name is an ephemeral subscription: nothing is kept"),
  name("31a", "of 201 bytes", "x".repeat(201), "invalid_argument NAME_INVALID"),
  name("31b", "with a line feed", "a\nb", "invalid_argument NAME_INVALID"),
  name("31c", "with NUL", "a\u0000b", "invalid_argument NAME_INVALID"),
  name("31d", "that turns the direction of writing", "a\u202Eb", "invalid_argument NAME_INVALID"),
  name("31e", "of a space more", " a", "invalid_argument NAME_INVALID"),
  name("31f", "..", "..", "opened", "a name is no path"),
  name("31g", "%00", "%00", "opened", "a name is not decoded"),
  ...verbatim.map((consumer, index): BadInputRow<World> => ({
    number: `32${String.fromCharCode(97 + index)}`,
    input: `a name ${consumer}`,
    expected: "kept as it is",
    got: (world) => kept(world, consumer),
  })),
  patterns("33", "no patterns", []),
  patterns(
    "34",
    "33 patterns",
    Array.from({ length: 33 }, (_, i) => `p${i}`),
  ),
  patterns("35a", "a pattern with three #", ["#.a.#.b.#"]),
  patterns("35b", "#.#", ["#.#"]),
  patterns("35c", "an empty word", ["a..b"]),
  patterns("35d", "a pattern of 256 bytes", ["x".repeat(256)]),
  patterns("35e", "a pattern with a space", ["a b"]),
  patterns("35f", "a pattern of 17 words", [Array.from({ length: 17 }, () => "a").join(".")]),
  patterns("35g", "six #, which would keep RabbitMQ busy", ["#.a.#.b.#.c.#.d.#.e.#"]),
  {
    number: "36",
    input: "patterns twice, and in another order",
    expected: "one receiver",
    async got(world) {
      const key = async (given: readonly string[]): Promise<string> => {
        const session = world.session({ receiver: { patterns: [...given] } });
        const { receiverKey } = await session.frame("opened");
        await session.leave();
        return receiverKey;
      };
      const keys = new Set([await key(["one.a", "one.b"]), await key(["one.b", "one.a", "one.b"])]);
      return keys.size === 1 ? "one receiver" : "two receivers";
    },
  },
  {
    number: "37",
    input: "a known name with other patterns",
    expected: "failed_precondition CONFIG_MISMATCH, names the difference",
    async got(world) {
      await world.open({ consumer: "mismatch", receiver: { patterns: ["mismatch.a"] } });
      const session = world.session({ consumer: "mismatch", receiver: { patterns: ["mismatch.b"] } });
      const error = await session.ended();
      const named = /added: mismatch\.b.*missing: mismatch\.a/.test(String(error));
      return `${describeError(error)}${named ? ", names the difference" : ""}`;
    },
  },
  {
    number: "38",
    input: "a name in use, with REJECT",
    expected: "already_exists CONSUMER_BUSY",
    async got(world) {
      const session = world.session({ consumer: "busy", receiver });
      await session.frame("opened");
      const got = await world.open({ consumer: "busy", receiver, onConflict: OnConflict.REJECT });
      await session.leave();
      return got;
    },
  },
  {
    number: "39",
    input: "a name taken over",
    expected: "the old stream ends aborted TAKEN_OVER",
    async got(world) {
      const first = world.session({ consumer: "taken", receiver });
      await first.frame("opened");
      await world.open({ consumer: "taken", receiver, onConflict: OnConflict.TAKE_OVER });
      return `the old stream ends ${describeError(await first.ended())}`;
    },
  },
  row("40a", "max_in_flight 0", { receiver, maxInFlight: 0 }, "opened", "0 is the default, 1 024"),
  row("40b", "max_in_flight 10 001", { receiver, maxInFlight: 10_001 }, "invalid_argument REQUEST_INVALID"),
  {
    number: "40c",
    input: "max_in_flight -1",
    expected: "200 invalid_argument",
    got: (world) => unaryOpen(world, '{"receiver":{"patterns":["a"]},"maxInFlight":-1}'),
  },
  row("41a", "start after offset 0", { receiver, start: after(0n) }, "opened", "a resume point is exclusive: after 0 is the first event"),
  row("41b", "start after offset -1", { receiver, start: after(-1n) }, "invalid_argument REQUEST_INVALID"),
  row("42", "start above the head", { receiver, start: after(1_000_000n) }, "out_of_range OFFSET_OUT_OF_RANGE"),
  {
    number: "43",
    input: "start below what is kept",
    expected: "out_of_range OFFSET_OUT_OF_RANGE, names the oldest",
    got: startBelowRetention,
  },
  row("44a", "a start in the future", { receiver, start: time(32_503_680_000n) }, "invalid_argument REQUEST_INVALID"),
  row("44b", "a start in the year 10 000", { receiver, start: time(253_402_300_800n) }, "invalid_argument REQUEST_INVALID"),
  row("44c", "a start before the year 1", { receiver, start: time(-62_135_596_801n) }, "invalid_argument REQUEST_INVALID"),
  row("44d", "a start of 2^63-1 seconds", { receiver, start: time(9_223_372_036_854_775_807n) }, "invalid_argument REQUEST_INVALID"),
  {
    number: "44e",
    input: "a start that is not a number",
    expected: "200 invalid_argument",
    got: (world) => unaryOpen(world, '{"receiver":{"patterns":["a"]},"start":{"time":"NaN"}}'),
  },
  {
    number: "46",
    input: "PostgreSQL away while a name opens",
    expected: "unavailable STORE_UNAVAILABLE",
    note: "without retry_info: the SDK backs off by itself",
    got: databaseAway,
  },
  { number: "47", input: "a broker that drains", expected: "draining, then unavailable DRAINING", got: draining },
  {
    number: "48",
    input: "a name that is deleted meanwhile",
    expected: "failed_precondition CONSUMER_DELETED",
    async got(world) {
      const session = world.session({ consumer: "deleted", receiver });
      await session.frame("opened");
      await world.admin.deleteConsumer({ consumer: "deleted" });
      return describeError(await session.ended());
    },
  },
  {
    number: "49",
    input: "a flood of 140 opens on one connection",
    expected: "100 served, the next REFUSED_STREAM, the connection ended",
    note: "streams and connections are bounded; rates come with tenants",
    got: flood,
  },
  {
    number: "50",
    input: "a subscriber that never acks and says nothing",
    expected: "deadline_exceeded SESSION_SILENT, asleep",
    async got(world) {
      const session = world.session({
        consumer: "silent",
        receiver: { patterns: ["silent.#"] },
        sessionTimeout: { seconds: 1n, nanos: 0 },
      });
      await session.frame("caughtUp");
      await world.foreign("silent.x", "x");
      const error = await session.ended();
      const { consumer } = await world.admin.getConsumer({ consumer: "silent" });
      return `${describeError(error)}, ${consumer?.state === ConsumerState.ASLEEP ? "asleep" : "awake"}`;
    },
  },
];

/** `Open` as JSON: what no generated client would write. A stream tells its status in its last message, under HTTP's 200. */
function unaryOpen(world: World, open: string): Promise<string> {
  const body = Buffer.from(`{"open":${open}}`);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return world.post(follow, Buffer.concat([head, body]), { "content-type": "application/connect+json" });
}

/** Has a log pruned, and asks for what was pruned. */
async function startBelowRetention(world: World): Promise<string> {
  const open = { receiver: { patterns: ["kept.#"] }, ackMode: AckMode.AUTO };
  const session = world.session({ consumer: "first", ...open });
  const { receiverKey } = await session.frame("opened");
  await session.frame("caughtUp");
  for (const text of ["one", "two", "three"]) {
    const before = session.events.length;
    await world.foreign("kept.x", text);
    await session.received(before + 1);
  }
  await world.admin.setRetention({ receiverKey, retention: { maxBytes: 1n, noHold: true } });
  let oldest = 1n;
  while (oldest === 1n) oldest = (await world.admin.getReceiver({ receiverKey })).receiver?.oldestOffset ?? 1n;
  await session.leave();
  const late = world.session({ consumer: "late", ...open, start: after(0n) });
  const error = await late.ended();
  return `${describeError(error)}${String(error).includes(`oldest kept is ${oldest}`) ? ", names the oldest" : ""}`;
}

async function databaseAway(): Promise<string> {
  const url = new URL(inject("databaseUrl"));
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5432) });
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  const deployment = await deploy();
  const broker = await deployment.start({ databaseUrl: url.href });
  await proxy.refuse();
  const client = createClient(AdminService, createConnectTransport({ baseUrl: broker.url, httpVersion: "2" }));
  await client.listReceivers({});
  const world = await World.open();
  const got = await world.open({ consumer: "away", receiver }, broker.url);
  await proxy.accept();
  await world.close();
  await deployment.close();
  await proxy.close();
  return got;
}

async function draining(world: World): Promise<string> {
  const deployment = await deploy();
  const broker = await deployment.start();
  const session = world.session({ consumer: "drained", receiver }, broker.url);
  await session.frame("opened");
  const drained = broker.drain();
  const error = await session.ended();
  await drained;
  await deployment.close();
  return `${session.all("draining").length > 0 ? "draining, then " : ""}${describeError(error)}`;
}

async function flood(world: World): Promise<string> {
  const http2 = new RawHttp2(world.port);
  const headers = { "content-type": "application/grpc+proto" };
  const streams = Array.from({ length: 140 }, (_, i) => 2 * i + 1);
  for (const stream of streams) http2.request(stream, "POST", `/${follow}`, headers);
  await http2.closed;
  const refused = streams.filter((stream) => http2.resetOf(stream) === 7);
  const ended = http2.frames.some(({ type }) => type === Http2Frames.goaway);
  const first = refused[0] ?? 0;
  return `${(first - 1) / 2} served, the next ${refused.length > 0 ? "REFUSED_STREAM" : "served"}, the connection ${ended ? "ended" : "goes on"}`;
}

describeBadInput("subscribe", rows, () => World.open());
