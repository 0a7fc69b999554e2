import { once } from "node:events";
import { createServer, constants, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { FrameSchema, SubscribeRequestSchema, type Frame } from "@warren/protocol/v1";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { fromConnectError } from "../from-connect-error.ts";
import { EnvelopeReader, toEnvelope } from "./envelope.ts";
import type { SubscriberStream } from "./stream.ts";
import { twoWay } from "./two-way.ts";

const nothing = (): void => undefined;
const streamHeaders = { ":status": 200, "content-type": "application/connect+proto" };
let sessions: Http2SessionManager | undefined;

afterEach(() => sessions?.abort());

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function openAt(url: string, signal = new AbortController().signal): SubscriberStream {
  sessions = new Http2SessionManager(url);
  return twoWay(url, sessions)({ consumer: "c" }, signal, nothing);
}

/** A broker that answers as it is told to, and what it hears. */
async function broker(answer: (stream: ServerHttp2Stream) => void) {
  const heard: string[] = [];
  const opened = Promise.withResolvers<ServerHttp2Stream>();
  const server = createServer();
  server.on("stream", (stream) => {
    const reader = new EnvelopeReader((_, message) => {
      const { command } = fromBinary(SubscribeRequestSchema, message);
      heard.push(command.case === "ack" ? `ack ${command.value.upToOffset}` : String(command.case));
    });
    stream.on("data", (piece: Buffer) => reader.read(piece));
    stream.on("error", nothing);
    opened.resolve(stream);
    answer(stream);
  });
  return { url: await listen(server), heard, stream: opened.promise };
}

const frame = (...offsets: number[]): Buffer =>
  Buffer.concat(
    offsets.map((offset) =>
      toEnvelope(toBinary(FrameSchema, create(FrameSchema, { frame: { case: "caughtUp", value: { offset: BigInt(offset) } } }))),
    ),
  );
const endOfStream = (end: unknown): Buffer => toEnvelope(Buffer.from(JSON.stringify(end)), 2);
const offsetOf = ({ frame: { case: kind, value } }: Frame): bigint | undefined => (kind === "caughtUp" ? value.offset : undefined);

/** All that comes, and the code of what ended it. */
async function readAll(stream: SubscriberStream) {
  const offsets: (bigint | undefined)[] = [];
  try {
    for await (const each of stream.responses) offsets.push(offsetOf(each));
    return { offsets, code: undefined };
  } catch (error) {
    const { code, message } = fromConnectError(error);
    return { offsets, code, message };
  }
}

describe("the two-way stream", () => {
  test("hands over frames in order, until the broker ends it", async () => {
    const { url } = await broker((stream) => {
      stream.respond(streamHeaders);
      const bytes = Buffer.concat([frame(1, 2, 3), endOfStream({})]);
      stream.write(bytes.subarray(0, 12));
      stream.end(bytes.subarray(12));
    });
    expect(await readAll(openAt(url))).toEqual({ offsets: [1n, 2n, 3n], code: undefined });
  });

  test("opens first, then says what waits: parks before acks, one ack for those of one moment", async () => {
    const { url, heard, stream: opened } = await broker((stream) => stream.respond(streamHeaders));
    const stream = openAt(url);
    const all = readAll(stream);
    stream.ack({ mark: 1n, ranges: [] });
    const served = await opened;
    await once(served, "data");
    stream.ack({ mark: 2n, ranges: [] });
    stream.ack({ mark: 3n, ranges: [] });
    stream.park({ offset: 4n }, { reason: "bad", attempts: 1 });
    stream.ping();
    stream.end(nothing);
    await once(served, "end");
    expect(heard).toEqual(["open", "ack 1", "park", "ack 3", "ping"]);
    served.end(endOfStream({}));
    expect(await all).toEqual({ offsets: [], code: undefined });
  });

  test("throws the broker's error, with its code", async () => {
    const { url } = await broker((stream) => {
      stream.respond(streamHeaders);
      stream.end(
        Buffer.concat([
          frame(7),
          endOfStream({ error: { code: "aborted", message: "somebody else" }, metadata: { "warren-code": ["TAKEN_OVER"] } }),
        ]),
      );
    });
    expect(await readAll(openAt(url))).toEqual({ offsets: [7n], code: "TAKEN_OVER", message: "somebody else" });
  });

  test.each([
    ["cut off within a frame", (stream: ServerHttp2Stream) => stream.end(Buffer.concat([frame(7), frame(8).subarray(0, 6)])), /broke off/],
    ["reset", (stream: ServerHttp2Stream) => stream.write(frame(7), () => stream.close(constants.NGHTTP2_INTERNAL_ERROR)), /closed|broke/i],
    [
      "with a frame that was compressed",
      (stream: ServerHttp2Stream) => stream.write(Buffer.concat([frame(7), toEnvelope(Buffer.alloc(9), 1)])),
      /flags 1/,
    ],
    [
      "with a frame that is none",
      (stream: ServerHttp2Stream) => stream.write(Buffer.concat([frame(7), toEnvelope(Buffer.from([0xff]))])),
      /./,
    ],
  ])("tells of a stream that is %s, after what came before", async (_, answer, message) => {
    const { url } = await broker((stream) => {
      stream.respond(streamHeaders);
      answer(stream);
    });
    expect(await readAll(openAt(url))).toEqual({ offsets: [7n], code: "TRANSPORT_UNAVAILABLE", message: expect.stringMatching(message) });
  });

  test("tells of an answer that is no broker's", async () => {
    const { url } = await broker((stream) => {
      stream.respond({ ":status": 503, "content-type": "text/html" });
      stream.end("<html>");
    });
    expect(await readAll(openAt(url))).toEqual({ offsets: [], code: "TRANSPORT_UNAVAILABLE", message: "HTTP 503" });
  });

  test.each(["before it is read", "while there is no connection"])("is given up at once, %s", async (when) => {
    // Takes connections, and never says a word.
    const url = await listen(createTcpServer());
    const abort = new AbortController();
    const stream = openAt(url, abort.signal);
    if (when === "before it is read") abort.abort();
    const all = readAll(stream);
    abort.abort();
    expect(await all).toMatchObject({ code: "TRANSPORT_UNAVAILABLE" });
  });

  test("joins acks for as long as the broker does not read", async () => {
    const {
      url,
      heard,
      stream: opened,
    } = await broker((stream) => {
      stream.pause();
      stream.respond(streamHeaders);
      stream.write(frame(7));
    });
    const stream = openAt(url);
    const responses = stream.responses[Symbol.asyncIterator]();
    await responses.next();
    const ranges = Array.from({ length: 500 }, (_, i) => ({ first: BigInt(2 * i), last: BigInt(2 * i) }));
    const last = 200;
    for (let mark = 1; mark <= last; mark += 1) {
      stream.ack({ mark: BigInt(mark), ranges });
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.end(nothing);
    const served = await opened;
    served.resume();
    await once(served, "end");
    expect(heard.length).toBeLessThan(last / 2);
    expect(heard.at(-1)).toBe(`ack ${last}`);
  });

  test("is cancelled when it is given up, and what was not taken is dropped", async () => {
    const { url, stream: opened } = await broker((stream) => {
      stream.respond(streamHeaders);
      stream.write(frame(1, 2, 3));
    });
    const abort = new AbortController();
    const offsets: (bigint | undefined)[] = [];
    await expect(async () => {
      for await (const each of openAt(url, abort.signal).responses) {
        offsets.push(offsetOf(each));
        abort.abort();
      }
    }).rejects.toThrow("given up");
    expect(offsets).toEqual([1n]);
    const served = await opened;
    if (!served.closed) await once(served, "close");
    expect(served.rstCode).toBe(constants.NGHTTP2_CANCEL);
  });

  test("W8: reads no more than a few frames ahead of who takes them", async () => {
    const count = 200;
    const big = toEnvelope(toBinary(FrameSchema, create(FrameSchema, { frame: { case: "batch", value: new Uint8Array(100_000) } })));
    let written = 0;
    const { url, stream: opened } = await broker((stream) => {
      stream.respond(streamHeaders);
      const write = (): void => {
        while (written < count) {
          written += 1;
          if (!stream.write(big)) return void stream.once("drain", write);
        }
        stream.end(endOfStream({}));
      };
      write();
    });
    const stream = openAt(url);
    const responses = stream.responses[Symbol.asyncIterator]();
    await responses.next();
    const served = await opened;
    // Each is a way there and back: time for all of them, when nothing held them up.
    for (let i = 0; i < count; i += 1) await new Promise((resolve) => served.session?.ping(resolve));
    expect(written).toBeLessThan(20);
    let read = 1;
    while ((await responses.next()).done !== true) read += 1;
    expect(read).toBe(count);
  });
});
