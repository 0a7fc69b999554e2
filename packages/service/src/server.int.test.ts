import { connect as connectHttp2, createServer as createHttp2 } from "node:http2";
import { connect, createServer as createTcp, type AddressInfo, type Socket } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Limits, silentLogger, WarrenError } from "@warren/protocol";
import { PublishService, SubscriptionService } from "@warren/protocol/v1";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { HealthRegistry } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import { startServer, type RunningServer } from "./server.ts";
import { sniffHttp2 } from "./sniff-http2.ts";
import { watchPeer } from "./watch-peer.ts";

describe("startServer", () => {
  let server: RunningServer;
  let port = 0;
  let health: HealthRegistry;
  let publish = Promise.withResolvers<void>();
  let publishing = 0;
  const open = (listenPort = 0): Promise<RunningServer> => {
    const metrics = createMetrics();
    metrics.counter("tests", "Tests", () => [{ value: 7, labels: { kind: "int" } }]);
    return startServer({
      listen: { host: "127.0.0.1", port: listenPort },
      services: [PublishService, SubscriptionService],
      routes(router) {
        router.service(PublishService, {
          async publish() {
            publishing += 1;
            await publish.promise;
            return {};
          },
        });
        router.service(SubscriptionService, {
          async *subscribe(requests) {
            for await (const { command } of requests) throw new WarrenError("REQUEST_INVALID", `no ${command.case}`);
            yield* [];
          },
        });
      },
      health,
      metrics,
      logger: silentLogger,
    });
  };
  beforeEach(async () => {
    health = new HealthRegistry();
    publish = Promise.withResolvers();
    publish.resolve();
    publishing = 0;
    server = await open();
    port = Number(new URL(server.url).port);
  });
  afterEach(() => server.close());

  /** Sends bytes, and gives all that came back until the server closed. */
  const raw = async (text: string): Promise<string> => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.on("data", (data) => (answer += String(data)));
    socket.on("error", () => undefined);
    socket.end(text);
    await new Promise((resolve) => socket.on("close", resolve));
    return answer;
  };
  const transports = () => ({
    "Connect over HTTP/1.1": createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }),
    "Connect over HTTP/2": createConnectTransport({ baseUrl: server.url, httpVersion: "2" }),
    gRPC: createGrpcTransport({ baseUrl: server.url }),
  });

  test("answers Connect over both HTTPs and gRPC on one port", async () => {
    for (const transport of Object.values(transports())) expect((await createClient(Health, transport).check({})).status).toBe(2);
  });

  test("goes on after requests that no one can serve", async () => {
    const call = "POST /warren.v1.PublishService/Publish";
    expect(await raw(`${call} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1.1 400/);
    expect(await raw(`${call} HTTP/1.1\r\nHost: [\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 400/);
    expect(await raw("GET //[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toMatch(/^HTTP\/1.1 404/);
    expect(await raw("\u0000\u0001 what is this\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
    expect(await raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n garbage after the preface")).toBeDefined();
    expect(await raw(`GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(70_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  test("answers probes by what works, and names what does not", async () => {
    const get = async (path: string) => {
      const response = await fetch(`${server.url}${path}`);
      return [response.status, await response.json()];
    };
    expect(await get("/livez")).toEqual([200, { status: "ok" }]);
    expect(await get("/startupz")).toEqual([503, { status: "starting" }]);
    expect(await get("/readyz")).toEqual([503, { status: "not ready", problems: { start: "state is not restored yet" } }]);
    health.started = true;
    expect(await get("/startupz")).toEqual([200, { status: "ok" }]);
    expect(await get("/readyz?verbose")).toEqual([200, { status: "ok", problems: {} }]);
    expect(await get("/nothing")).toEqual([404, { code: "not_found", message: "nothing is served at /nothing" }]);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/^warren_tests_total\{kind="int"\} 7/m);
  });

  test.each([
    ["v1", ServerReflection],
    ["v1alpha", ServerReflectionAlpha],
  ] as const)("reflects its services in %s", async (_, service) => {
    const { serverReflectionInfo } = createClient(service as typeof ServerReflection, createGrpcTransport({ baseUrl: server.url }));
    async function* requests() {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
      yield { messageRequest: { case: "fileContainingSymbol" as const, value: "warren.v1.SubscriptionService.Subscribe" } };
      yield { messageRequest: { case: "fileByFilename" as const, value: "warren/v1/event.proto" } };
      yield { messageRequest: { case: "fileContainingSymbol" as const, value: "nothing.at.All" } };
      yield { messageRequest: { case: "allExtensionNumbersOfType" as const, value: "x" } };
    }
    const answers = [];
    for await (const { messageResponse } of serverReflectionInfo(requests())) answers.push(messageResponse);
    expect(answers[0]).toMatchObject({
      value: {
        service: [{ name: "warren.v1.PublishService" }, { name: "warren.v1.SubscriptionService" }, { name: "grpc.health.v1.Health" }],
      },
    });
    // The file itself and the four that it imports.
    expect(answers[1]).toMatchObject({ case: "fileDescriptorResponse", value: { fileDescriptorProto: { length: 5 } } });
    expect(answers[2]).toMatchObject({ case: "fileDescriptorResponse", value: { fileDescriptorProto: { length: 2 } } });
    expect(answers.slice(3).map((answer) => answer.value)).toMatchObject([{ errorCode: 5 }, { errorCode: 12 }]);
  });

  test("tells that its port is taken, and the cure", async () => {
    await expect(open(port)).rejects.toThrow(
      `port ${port} of 127.0.0.1 is taken; stop what listens there, or set WARREN_LISTEN to another address`,
    );
  });

  test("gives a malformed request to its sender, not to us", async () => {
    const bytes = Uint8Array.of(0x0a, 0xff);
    const post = (contentType: string, body: Uint8Array | string, path = "warren.v1.PublishService/Publish") =>
      fetch(`${server.url}/${path}`, { method: "POST", headers: { "content-type": contentType }, body });
    for (const [type, body] of [
      ["application/proto", bytes],
      ["application/json", "{"],
    ] as const) {
      const response = await post(type, body);
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, "invalid_argument"]);
    }
    expect((await post("text/plain", "x")).status).toBe(415);
    expect((await post("application/proto", new Uint8Array(Limits.requestBytes + 1))).status).toBe(429);
    expect((await fetch(`${server.url}/warren.v1.PublishService/Publish`)).status).toBe(405);
    expect((await post("application/connect+proto", "", "warren.v1.SubscriptionService/Subscribe")).status).toBe(505);

    const framed = (path: string): Promise<unknown> =>
      new Promise((resolve) => {
        const session = connectHttp2(server.url);
        const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc+proto", te: "trailers" };
        const stream = session.request(headers);
        const status = (given: Readonly<Record<string, unknown>>): void => {
          if (given["grpc-status"] === undefined) return;
          resolve(given["grpc-status"]);
          session.destroy();
        };
        stream.on("response", status);
        stream.on("trailers", status);
        stream.resume();
        stream.write(Buffer.concat([Uint8Array.of(0, 0, 0, 0, 2), bytes]));
        if (path.includes("Publish")) stream.end();
      });
    expect(await framed("/warren.v1.PublishService/Publish")).toBe("3");
    expect(await framed("/warren.v1.SubscriptionService/Subscribe")).toBe("3");
  });

  test("keeps no stream that it answered before its request ended", async () => {
    const session = connectHttp2(server.url);
    const answered = (path: string, body: Uint8Array): Promise<unknown> =>
      new Promise((resolve) => {
        const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc+proto", te: "trailers" };
        const stream = session.request(headers);
        let status: unknown;
        stream.on("response", (given) => (status ??= given["grpc-status"]));
        stream.on("trailers", (given) => (status ??= given["grpc-status"]));
        stream.on("error", () => undefined);
        stream.on("close", () => resolve(status));
        stream.resume();
        // The client keeps its side open.
        stream.write(body);
      });
    // A ping where `open` is due, and a message above the limit of which most is never read.
    const size = Limits.requestBytes + 1;
    const large = Buffer.concat([Uint8Array.of(0, size >>> 24, size >>> 16, size >>> 8, size), new Uint8Array(size)]);
    expect(await answered("/warren.v1.SubscriptionService/Subscribe", Uint8Array.of(0, 0, 0, 0, 2, 0x22, 0x00))).toBe("3");
    expect(await answered("/warren.v1.PublishService/Publish", large)).toBe("8");
    const began = performance.now();
    await server.drain(5_000);
    expect(performance.now() - began).toBeLessThan(2_000);
    session.destroy();
  });

  test("refuses the headers of a flood", async () => {
    const session = connectHttp2(server.url);
    session.on("error", () => undefined);
    const ended = (headers: Record<string, string>): Promise<string> =>
      new Promise((resolve) => {
        const stream = session.request({ ":path": "/livez", ...headers });
        stream.on("error", () => undefined);
        stream.on("response", (response) => resolve(`status ${response[":status"]}`));
        stream.on("close", () => resolve("closed"));
      });
    expect(await ended({})).toBe("status 200");
    expect(await ended(Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`x-${i}`, "1"])))).toBe("closed");
    session.destroy();
  });

  test.each(["1.1", "2"] as const)("drains: a call under way over HTTP/%s ends, none begins", async (httpVersion) => {
    publish = Promise.withResolvers();
    const client = createClient(PublishService, createConnectTransport({ baseUrl: server.url, httpVersion }));
    const underWay = client.publish({ events: [{ id: "1" }] });
    // A connection that is only kept alive does not hold the server.
    await fetch(`${server.url}/livez`);
    await vi.waitFor(() => expect(publishing).toBe(1));
    const drained = server.drain();
    await expect(fetch(`${server.url}/livez`, { headers: { connection: "close" } })).rejects.toThrow("fetch failed");
    publish.resolve();
    expect((await underWay).outcomes).toEqual([]);
    await drained;
    await server.drain();
    await server.close();
  });

  test("drains no longer than its deadline", async () => {
    publish = Promise.withResolvers();
    const client = createClient(PublishService, createConnectTransport({ baseUrl: server.url, httpVersion: "2" }));
    const underWay = client.publish({ events: [{ id: "1" }] });
    const failed = expect(underWay).rejects.toSatisfy((error) => ConnectError.from(error).code !== Code.Unknown);
    await vi.waitFor(() => expect(publishing).toBe(1));
    await server.drain(50);
    await failed;
    publish.resolve();
  });
});

describe("a peer without a word", () => {
  /** Runs `serve` for each socket; gives a socket that is connected to it. */
  const against = async (serve: (socket: Socket) => void): Promise<{ readonly socket: Socket; readonly close: () => void }> => {
    const tcp = createTcp(serve);
    await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
    const socket = connect((tcp.address() as AddressInfo).port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.resume();
    return { socket, close: () => void tcp.close() };
  };
  const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.on("close", resolve));

  test("is closed when it does not say which HTTP it speaks", async () => {
    const decided: boolean[] = [];
    const { socket, close } = await against((each) => sniffHttp2(each, (isHttp2) => decided.push(isHttp2), 50));
    socket.write("PRI * HT");
    await closed(socket);
    expect(decided).toEqual([]);
    close();
  });

  test("is known by its first bytes, however they arrive", async () => {
    const decided: boolean[] = [];
    const { socket, close } = await against((each) => sniffHttp2(each, (isHttp2) => decided.push(isHttp2), 5_000));
    for (const byte of "PRI * HTTP/2.0") socket.write(byte);
    await vi.waitFor(() => expect(decided).toEqual([true]));
    socket.destroy();
    close();
  });

  test("loses its HTTP/2 session when it answers no ping", async () => {
    const http2 = createHttp2();
    http2.on("session", (session) => watchPeer(session, { everyMs: 30, timeoutMs: 50 }));
    const { socket, close } = await against((each) => void http2.emit("connection", each));
    // The preface and empty settings, as a client that is stopped right after.
    socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0)]));
    await closed(socket);
    close();
  });
});
