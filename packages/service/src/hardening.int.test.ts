import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { createGzip } from "node:zlib";
import { Limits, silentLogger } from "@warren/protocol";
import { PublishService, SubscriptionService } from "@warren/protocol/v1";
import { envelope, Http2Frames, RawHttp2 } from "@warren/test-servers";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { ConnectionLimits } from "./connection-guard.ts";
import { HealthRegistry } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import { startServer, type RunningServer } from "./server.ts";

const grpc = { ":method": "POST", "content-type": "application/grpc+proto", te: "trailers" };
const publish = "/warren.v1.PublishService/Publish";
const follow = "/warren.v1.SubscriptionService/Follow";

/** So many zeros, compressed; never whole in memory. */
async function gzipBomb(bytes: number): Promise<Buffer> {
  const gzip = createGzip();
  const parts: Buffer[] = [];
  gzip.pipe(new PassThrough()).on("data", (part: Buffer) => parts.push(part));
  const zeros = Buffer.alloc(1024 * 1024);
  for (let left = bytes; left > 0; left -= zeros.length)
    if (!gzip.write(zeros)) await new Promise((resolve) => gzip.once("drain", resolve));
  await new Promise<void>((resolve) => gzip.end(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  return Buffer.concat(parts);
}

describe("a hardened server", () => {
  let server: RunningServer;
  let ended = Promise.withResolvers<void>();
  const sessions: ClientHttp2Session[] = [];
  const sockets: Socket[] = [];
  const open = async (limits: Partial<ConnectionLimits> = {}): Promise<number> => {
    ended = Promise.withResolvers();
    server = await startServer({
      listen: { host: "127.0.0.1", port: 0 },
      services: [PublishService, SubscriptionService],
      routes(router) {
        router.service(PublishService, { publish: () => ({}) });
        router.service(SubscriptionService, {
          async *follow() {
            yield { frame: { case: "resumed", value: {} } };
            await ended.promise;
            yield { frame: { case: "resumed", value: {} } };
          },
        });
      },
      health: new HealthRegistry(),
      metrics: createMetrics(),
      logger: silentLogger,
      limits,
      random: () => 0.5,
    });
    return Number(new URL(server.url).port);
  };
  afterEach(async () => {
    ended.resolve();
    for (const each of [...sessions, ...sockets]) each.destroy();
    await server.close();
  });

  const session = (): ClientHttp2Session => {
    const opened = connectHttp2(server.url);
    opened.on("error", () => undefined);
    sessions.push(opened);
    return opened;
  };
  const socket = (port: number): Socket => {
    const opened = connect(port, "127.0.0.1");
    opened.on("error", () => undefined);
    opened.resume();
    sockets.push(opened);
    return opened;
  };
  const closed = (what: Socket | ClientHttp2Session): Promise<void> => new Promise((resolve) => what.once("close", () => resolve()));
  /** The status of a gRPC call whose body is `body`; the client ends its side or not. */
  const status = (on: ClientHttp2Session, body: Uint8Array, more: Record<string, string> = {}, end = true): Promise<unknown> =>
    new Promise((resolve) => {
      const stream = on.request({ ...grpc, ":path": publish, ...more });
      let seen: unknown;
      stream.on("response", (headers) => (seen ??= headers["grpc-status"]));
      stream.on("trailers", (headers) => (seen ??= headers["grpc-status"]));
      stream.on("error", () => undefined);
      stream.on("close", () => resolve(seen));
      stream.resume();
      if (end) stream.end(body);
      else stream.write(body);
    });

  test("S7: a gzip bomb of 200 MB is resource_exhausted, and costs no more memory than a request may", async () => {
    await open();
    const bomb = await gzipBomb(200 * 1024 * 1024);
    const client = session();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 5; i += 1) {
      expect(await status(client, envelope(1, bomb), { "grpc-encoding": "gzip" })).toBe("8");
      const response = await fetch(`${server.url}${publish}`, {
        method: "POST",
        headers: { "content-type": "application/proto", "content-encoding": "gzip" },
        body: new Uint8Array(bomb),
      });
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([429, "resource_exhausted"]);
    }
    // Two thousand MB, inflated.
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
  });

  test("S7: takes a compressed request, and answers uncompressed", async () => {
    await open();
    const small = await gzipBomb(0);
    const response = await fetch(`${server.url}${publish}`, {
      method: "POST",
      headers: { "content-type": "application/proto", "content-encoding": "gzip", "accept-encoding": "gzip" },
      body: new Uint8Array(small),
    });
    expect([response.status, response.headers.get("content-encoding")]).toEqual([200, null]);
  });

  test("S8: after 1 000 oversized uploads no stream is open, although no client ended one", async () => {
    await open();
    const oversized = envelope(0, new Uint8Array(1024), Limits.requestBytes + 1);
    for (let round = 0; round < 20; round += 1) {
      const client = session();
      const all = await Promise.all(Array.from({ length: 50 }, () => status(client, oversized, {}, false)));
      expect(new Set(all)).toEqual(new Set(["8"]));
    }
    const began = performance.now();
    await server.drain(5_000);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test("S9: ends the session of a rapid reset, of invalid frames, and of streams above the limit", async () => {
    const port = await open();
    const rapid = new RawHttp2(port);
    for (let stream = 1; stream < 10_000; stream += 2) {
      rapid.request(stream, "GET", "/livez", {}, 5);
      rapid.send(Http2Frames.reset, 0, stream, Buffer.of(0, 0, 0, 8));
    }
    await rapid.closed;
    expect(rapid.frames.some(({ type }) => type === Http2Frames.goaway)).toBe(true);

    const invalid = new RawHttp2(port);
    for (let stream = 1001; stream < 1061; stream += 2) invalid.send(Http2Frames.data, 0, stream, Buffer.from("x"));
    await invalid.closed;

    const greedy = new RawHttp2(port);
    for (let stream = 1; stream < 250; stream += 2) greedy.request(stream, "POST", publish, { "content-type": "application/grpc+proto" });
    await greedy.closed;
    expect(greedy.resetOf(2 * Limits.sessionStreams + 1)).toBe(7);
    expect(greedy.resetOf(2 * Limits.sessionStreams - 1)).toBeUndefined();
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  test("S9: refuses 65 headers and a header of 70 KB, and the session goes on", async () => {
    await open();
    const client = session();
    const answer = (headers: Record<string, string>): Promise<unknown> =>
      new Promise((resolve) => {
        const stream = client.request({ ":path": "/livez", ...headers });
        stream.on("error", () => undefined);
        stream.on("response", (given) => resolve(given[":status"]));
        stream.on("close", () => resolve(`reset ${stream.rstCode}`));
      });
    // Beside :method, :scheme, :path and :authority.
    const headers = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, "1"]));
    expect(await answer(headers(Limits.requestHeaders - 4))).toBe(200);
    expect(await answer(headers(Limits.requestHeaders - 3))).toBe("reset 11");
    expect(await answer({ "x-large": "x".repeat(70_000) })).toMatch(/^reset/);
    expect(await answer({})).toBe(200);
  });

  test("S10: closes what says nothing, and a session that asks nothing", async () => {
    const port = await open({ prefaceMs: 50, firstRequestMs: 100 });
    await closed(socket(port));
    await closed(session());
  });

  test("S10: ends an idle session, and not one with a stream", async () => {
    await open({ firstRequestMs: 200, idleMs: 50 });
    const [busy, idle] = [session(), session()];
    const stream = busy.request({ ...grpc, ":path": follow });
    stream.end(envelope(0, new Uint8Array()));
    await new Promise((resolve) => stream.once("data", resolve));
    const gone = closed(idle);
    expect(await status(idle, envelope(0, new Uint8Array()))).toBe("0");
    await gone;
    expect(busy.closed).toBe(false);
  });

  test("S10: an old session takes no new calls, and its stream goes on until it ends", async () => {
    await open({ maxAgeMs: 100 });
    const client = session();
    const stream = client.request({ ...grpc, ":path": follow });
    let bytes = 0;
    let result: unknown;
    stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
    stream.on("trailers", (headers) => (result = headers["grpc-status"]));
    stream.end(envelope(0, new Uint8Array()));
    await new Promise((resolve) => client.once("goaway", resolve));
    expect([client.closed, client.destroyed]).toEqual([true, false]);
    const before = bytes;
    ended.resolve();
    await closed(client);
    expect(bytes).toBeGreaterThan(before);
    expect(result).toBe("0");
  });

  test("S10: closes connections above the limit of an address and of all", async () => {
    const port = await open({ perAddress: 3 });
    const first = [socket(port), socket(port), socket(port)];
    await Promise.all(first.map((each) => new Promise((resolve) => each.once("connect", resolve))));
    await closed(socket(port));
    first[0]?.destroy();
    await vi.waitFor(async () => expect((await fetch(`${server.url}/livez`)).status).toBe(200));
    await server.close();
    const other = await open({ total: 1 });
    await new Promise((resolve) => socket(other).once("connect", resolve));
    await closed(socket(other));
  });

  test("S10: 500 silent connections do not keep the server from answering", async () => {
    const port = await open({ prefaceMs: 300 });
    const silent = Array.from({ length: 500 }, () => socket(port));
    const all = Promise.all(silent.map(closed));
    await vi.waitFor(async () => expect((await fetch(`${server.url}/livez`)).status).toBe(200));
    await all;
  });
});
