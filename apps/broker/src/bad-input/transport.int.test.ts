import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Limits, Times } from "@warren/protocol";
import { ArchiveService, ConsumerState, FollowRequestSchema } from "@warren/protocol/v1";
import { describeBadInput, envelope, Http2Frames, RawHttp2, type BadInputRow } from "@warren/test-servers";
import { outcome, World } from "../testing/bad-input-world.ts";

const publish = "warren.v1.PublishService/Publish";
const subscribe = "warren.v1.SubscriptionService/Subscribe";
const follow = "warren.v1.SubscriptionService/Follow";
const ack = "warren.v1.SubscriptionService/Ack";
const list = "warren.v1.AdminService/ListConsumers";
const proto = { "content-type": "application/proto" };

/** Sends bytes over TCP, and tells how the connection ended. */
function raw(port: number, bytes: Uint8Array | string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    const late = setTimeout(() => {
      resolve("still open");
      socket.destroy();
    }, Times.connectionPrefaceMs + 2_000);
    socket.on("data", (data) => (answer += data.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(late);
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
      resolve(status === undefined ? "closed" : `${status}, closed`);
    });
    socket.write(bytes);
  });
}

/** Names of HTTP/2's error codes. */
const resets: Readonly<Record<string, string>> = { 1: "PROTOCOL_ERROR", 7: "REFUSED_STREAM", 11: "ENHANCE_YOUR_CALM" };

/** How a request over HTTP/2, written by hand, is ended. */
async function resetOf(world: World, send: (http2: RawHttp2) => void, stream = 1): Promise<string> {
  const http2 = new RawHttp2(world.port);
  send(http2);
  const found = async (): Promise<number> => {
    for (;;) {
      const code = http2.resetOf(stream);
      if (code !== undefined) return code;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const code = await Promise.race([found(), http2.closed.then(() => http2.resetOf(stream) ?? -1)]);
  http2.destroy();
  return resets[code] ?? `reset ${code}`;
}

/** The same with headers that only a library writes. */
async function withHeaders(world: World, headers: Readonly<Record<string, string>>): Promise<string> {
  const status = await world.grpc(publish, envelope(0, new Uint8Array()), headers);
  return status.replace(/^reset (\d+)$/, (_, code: string) => resets[code] ?? code);
}

/** An Ack with an unknown field of groups within groups. */
function groups(depth: number): Uint8Array {
  return Uint8Array.from([...Array.from({ length: depth }, () => 0x7b), ...Array.from({ length: depth }, () => 0x7c)]);
}

const openBytes = toBinary(FollowRequestSchema, create(FollowRequestSchema, { open: { receiver: { patterns: ["transport.#"] } } }));

const rows: readonly BadInputRow<World>[] = [
  {
    number: "1a",
    input: "random bytes on the port",
    expected: "400, closed",
    got: ({ port }) => raw(port, "\u0000\u0001\u0002 what\r\n\r\n"),
  },
  {
    number: "1b",
    input: "garbage after the preface of HTTP/2",
    expected: "closed",
    got: ({ port }) => raw(port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n what is this, no frame"),
  },
  { number: "1c", input: "half a preface, then silence", expected: "closed", got: ({ port }) => raw(port, "PRI * HT") },
  {
    number: "2",
    input: "a call over HTTP/1.0",
    expected: "400, closed",
    got: ({ port }) => raw(port, `POST /${publish} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`),
  },
  { number: "3a", input: "an unknown path", expected: "404 not_found", got: (world) => world.json("warren.v1.Nothing/At", "{}") },
  {
    number: "3b",
    input: "a service that is not here, over gRPC",
    expected: "unimplemented",
    got: ({ url }) =>
      outcome(async () => `${(await createClient(ArchiveService, createGrpcTransport({ baseUrl: url })).countEvents({})).count} events`),
  },
  {
    number: "4",
    input: "GET of a call that writes",
    expected: "405",
    got: async ({ url }) => String((await fetch(`${url}/${publish}`)).status),
  },
  {
    number: "5",
    input: "content type text/plain",
    expected: "415",
    got: (world) => world.post(publish, "x", { "content-type": "text/plain" }),
  },
  {
    number: "6",
    input: "content-length that is not the body's",
    expected: "PROTOCOL_ERROR",
    got: (world) =>
      resetOf(world, (http2) => {
        http2.request(1, "POST", `/${publish}`, { "content-type": "application/json", "content-length": "10" });
        http2.send(Http2Frames.data, 1, 1, Buffer.from("{}"));
      }),
  },
  {
    number: "7",
    input: "content-encoding zstd",
    expected: "501 unimplemented",
    got: (world) => world.json(publish, "{}", { "content-encoding": "zstd" }),
  },
  {
    number: "8",
    input: "gzip that is none",
    expected: "400 invalid_argument",
    got: (world) => world.json(publish, "this is no gzip", { "content-encoding": "gzip" }),
  },
  {
    number: "9",
    input: "a gzip bomb of 64 MiB",
    expected: "429 resource_exhausted",
    got: (world) => world.post(publish, gzipSync(Buffer.alloc(64 * 1024 * 1024)), { ...proto, "content-encoding": "gzip" }),
  },
  {
    number: "10",
    input: "a body one byte above the limit",
    expected: "429 resource_exhausted",
    got: (world) => world.post(publish, new Uint8Array(Limits.requestBytes + 1), proto),
  },
  {
    number: "11a",
    input: "65 headers",
    expected: "ENHANCE_YOUR_CALM",
    got: (world) => withHeaders(world, Object.fromEntries(Array.from({ length: 61 }, (_, i) => [`x-${i}`, "1"]))),
  },
  {
    number: "11b",
    input: "a header of 70 KB",
    expected: "REFUSED_STREAM",
    note: "the library beneath refuses it before it is decoded",
    got: (world) => withHeaders(world, { "x-large": "x".repeat(70_000) }),
  },
  {
    number: "12a",
    input: "time-out -1",
    expected: "400 invalid_argument",
    got: (world) => world.json(list, "{}", { "connect-timeout-ms": "-1" }),
  },
  {
    number: "12b",
    input: "time-out abc",
    expected: "400 invalid_argument",
    got: (world) => world.json(list, "{}", { "connect-timeout-ms": "abc" }),
  },
  {
    number: "12c",
    input: "time-out abc, over gRPC",
    expected: "invalid_argument",
    got: (world) => world.grpc(list, envelope(0, new Uint8Array()), { "grpc-timeout": "abc" }),
  },
  {
    number: "13",
    input: "a time-out of 25 hours",
    expected: "400 invalid_argument",
    got: (world) => world.json(list, "{}", { "connect-timeout-ms": "90000000" }),
  },
  {
    number: "14",
    input: "a time-out of 1 ms, told by a header alone",
    expected: "deadline_exceeded, no session is left",
    async got(world) {
      const open = { consumer: "in-a-hurry", receiver: { patterns: ["hurry.#"] } };
      const result = await outcome(async () => {
        for await (const _ of world.subscriptions.follow({ open }, { headers: { "connect-timeout-ms": "1" } })) void _;
        return "ended";
      });
      for (;;) {
        const { consumers } = await world.admin.listConsumers({});
        if (consumers.every(({ name, state }) => name !== open.consumer || state === ConsumerState.ASLEEP))
          return `${result}, no session is left`;
      }
    },
  },
  {
    number: "15",
    input: "no Connect-Protocol-Version",
    expected: "200",
    note: "curl is a client: the header is not asked for",
    got: (world) => world.json(list, "{}"),
  },
  { number: "16", input: "JSON that is cut off", expected: "400 invalid_argument", got: (world) => world.json(publish, '{"events":[') },
  {
    number: "17a",
    input: "protobuf that is cut off",
    expected: "400 invalid_argument",
    got: (world) => world.post(ack, Uint8Array.of(0x0a, 0xff), proto),
  },
  {
    number: "17b",
    input: "protobuf that is cut off, over gRPC",
    expected: "invalid_argument",
    got: (world) => world.grpc(ack, envelope(0, Uint8Array.of(0x0a, 0xff))),
  },
  {
    number: "18a",
    input: "101 groups within each other",
    expected: "400 invalid_argument",
    got: (world) => world.post(ack, groups(101), proto),
  },
  {
    number: "18b",
    input: "10 000 groups within each other",
    expected: "400 invalid_argument",
    got: (world) => world.post(ack, groups(10_000), proto),
  },
  {
    number: "18c",
    input: "JSON nested 10 000 deep where nothing is known",
    expected: "200",
    note: "an unknown field is passed over, whatever it holds",
    got: (world) => world.json(list, `{"x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`),
  },
  { number: "19", input: "an unknown field in JSON", expected: "200", got: (world) => world.json(list, '{"nothing":1}') },
  {
    number: "20a",
    input: "a text that is not UTF-8",
    expected: "400 invalid_argument",
    got: (world) => world.post(ack, Uint8Array.of(0x0a, 2, 0xc3, 0x28), proto),
  },
  {
    number: "20b",
    input: "JSON that is not UTF-8",
    expected: "400 invalid_argument",
    got: (world) =>
      world.post(ack, Buffer.concat([Buffer.from('{"sessionId":"'), Buffer.of(0xc3, 0x28), Buffer.from('"}')]), {
        "content-type": "application/json",
      }),
  },
  {
    number: "21",
    input: "a two-way stream over HTTP/1.1",
    expected: "505",
    got: (world) => world.post(subscribe, "", { "content-type": "application/connect+proto" }),
  },
  {
    number: "22",
    input: "a second message where one is due",
    expected: "unimplemented",
    got: (world) => world.grpc(follow, Buffer.concat([envelope(0, openBytes), envelope(0, openBytes)])),
  },
  {
    number: "23",
    input: "a message that says it has 4 GiB",
    expected: "resource_exhausted",
    got: (world) => world.grpc(publish, envelope(0, new Uint8Array(10), 0xffff_ffff)),
  },
  {
    number: "24",
    input: "101 streams at once",
    expected: "REFUSED_STREAM",
    got: (world) =>
      resetOf(
        world,
        (http2) => {
          const headers = { "content-type": "application/grpc+proto" };
          for (let stream = 1; stream <= 2 * Limits.sessionStreams + 1; stream += 2) http2.request(stream, "POST", `/${publish}`, headers);
        },
        2 * Limits.sessionStreams + 1,
      ),
  },
];

describeBadInput("transport", rows, () => World.open());
