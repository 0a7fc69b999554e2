import { once } from "node:events";
import { connect, createServer, type ClientHttp2Session, type ClientHttp2Stream, type Http2Server } from "node:http2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AnyResponse } from "./plain-http.ts";
import { createStreamWriter, toEnvelope } from "./stream-writer.ts";

const head = Uint8Array.of(1, 2, 3);

describe("an envelope", () => {
  test("is flags, length and the message; a small one is one part", () => {
    const [only, ...more] = toEnvelope(head, Uint8Array.of(4));
    expect(more).toEqual([]);
    expect([...only]).toEqual([0, 0, 0, 0, 4, 1, 2, 3, 4]);
  });

  test("of a large message does not copy it", () => {
    const large = new Uint8Array(100_000).fill(7);
    const [first, rest] = toEnvelope(head, large);
    expect([...first]).toEqual([0, 0, 1, 0x86, 0xa3, 1, 2, 3]);
    expect(rest).toBe(large);
  });
});

describe("a stream writer", () => {
  let server: Http2Server;
  let session: ClientHttp2Session;
  let stream: ClientHttp2Stream;
  let response: AnyResponse;

  beforeEach(async () => {
    server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    session = connect(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
    stream = session.request();
    // Its end is what some tests are about.
    stream.on("error", () => undefined);
    [, response] = (await once(server, "request")) as [unknown, AnyResponse];
  });
  afterEach(async () => {
    session.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  test("is ready when headers were sent, and writes what the other side reads, part by part", async () => {
    const writer = createStreamWriter(response);
    expect(writer.ready).toBe(false);
    response.writeHead(200);
    response.flushHeaders();
    expect(writer.ready).toBe(true);
    const envelopes = [toEnvelope(head, Uint8Array.of(4)), toEnvelope(head, new Uint8Array(20_000).fill(9))];
    for (const envelope of envelopes) await writer.write(envelope);
    response.end();
    const read: Buffer[] = [];
    for await (const chunk of stream) read.push(chunk as Buffer);
    expect(Buffer.concat(read).equals(Buffer.concat(envelopes.flat()))).toBe(true);
  });

  test("says when the stream takes no more for now, and goes on when it was read", async () => {
    const writer = createStreamWriter(response);
    response.writeHead(200);
    stream.pause();
    const full = writer.write(toEnvelope(head, new Uint8Array(4_000_000)));
    expect(full).toBeInstanceOf(Promise);
    stream.resume();
    await full;
    expect(writer.write(toEnvelope(head, Uint8Array.of(4)))).toBeUndefined();
  });

  test("waits for no stream that broke, and writes nothing to one that has ended", async () => {
    const writer = createStreamWriter(response);
    response.writeHead(200);
    const full = writer.write(toEnvelope(head, new Uint8Array(4_000_000)));
    session.destroy();
    await full;
    expect(writer.write(toEnvelope(head, new Uint8Array(4_000_000)))).toBeUndefined();
  });
});
