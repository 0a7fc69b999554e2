import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";

/** A server that keeps what it is sent, and its end of each connection. */
class Sink {
  readonly server: Server;
  readonly sockets: Socket[] = [];
  readonly chunks: Buffer[] = [];
  bytes = 0;
  ended = 0;

  constructor() {
    this.server = createServer((socket) => {
      this.sockets.push(socket);
      socket.on("error", () => undefined);
      socket.on("end", () => (this.ended += 1));
      socket.on("data", (chunk) => {
        this.chunks.push(chunk);
        this.bytes += chunk.length;
      });
    });
  }

  static async start(): Promise<Sink> {
    const sink = new Sink();
    sink.server.listen(0, "127.0.0.1");
    await once(sink.server, "listening");
    return sink;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  async holds(bytes: number): Promise<void> {
    await vi.waitFor(() => expect(this.bytes).toBe(bytes), { timeout: 10_000 });
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

/** Resolves when a socket is closed, by an end or an error. */
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => void socket.once("close", () => resolve()));

/** Bytes of which no two parts are alike. */
const content = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 7 + (at >> 8)) % 251));

describe("startFaultProxy()", () => {
  let sink: Sink;
  let proxy: FaultProxy;
  const clients: Socket[] = [];

  beforeEach(async () => {
    sink = await Sink.start();
    proxy = await startFaultProxy({ host: "127.0.0.1", port: sink.port });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await proxy.close();
    sink.close();
  });

  async function open(): Promise<{ readonly client: Socket; readonly server: Socket; readonly answers: Buffer[] }> {
    const before = sink.sockets.length;
    const client = connect(proxy.port, "127.0.0.1");
    clients.push(client);
    client.on("error", () => undefined);
    const answers: Buffer[] = [];
    client.on("data", (chunk) => void answers.push(chunk));
    await once(client, "connect");
    await vi.waitFor(() => expect(sink.sockets).toHaveLength(before + 1));
    const server = sink.sockets[before];
    if (server === undefined) throw new Error("unreachable");
    return { client, server, answers };
  }

  test("passes bytes on both ways, and an end with all that came before it", async () => {
    const { client, server, answers } = await open();
    client.write("to the server");
    server.write("to the client");
    await vi.waitFor(() =>
      expect([sink.received.toString(), Buffer.concat(answers).toString()]).toEqual(["to the server", "to the client"]),
    );
    client.end(content(100_000));
    await sink.holds(13 + 100_000);
    await vi.waitFor(() => expect([sink.ended, proxy.connections]).toEqual([1, 0]));
  });

  test("latency comes later in the same order, jitter or not, and what waits is passed on when it is removed", async () => {
    const { client, server, answers } = await open();
    proxy.poison("to-server", { kind: "latency", ms: 40, jitterMs: 30 });
    const began = performance.now();
    for (let at = 0; at < 1_000; at += 100) {
      client.write(content(1_000).subarray(at, at + 100));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await sink.holds(1_000);
    expect(performance.now() - began).toBeGreaterThan(9);
    expect(sink.received.equals(content(1_000))).toBe(true);
    proxy.poison("to-server", { kind: "latency", ms: 3_600_000 });
    client.write("waits");
    await vi.waitFor(() => expect(proxy.held).toBe(5));
    // The other way is not concerned.
    server.write("comes");
    await vi.waitFor(() => expect(Buffer.concat(answers).toString()).toBe("comes"));
    expect(sink.received.length).toBe(1_000);
    proxy.resume();
    await sink.holds(1_005);
    expect(proxy.held).toBe(0);
  });

  test("a bandwidth is not exceeded", async () => {
    const { server, answers } = await open();
    proxy.poison("to-client", { kind: "bandwidth", bytesPerSecond: 1_000_000 });
    proxy.poison("to-client", { kind: "slice", bytes: 10_000 });
    const began = performance.now();
    server.write(content(200_000));
    await vi.waitFor(() => expect(Buffer.concat(answers).length).toBe(200_000), { timeout: 20_000 });
    // After the last slice nobody waits for its time.
    expect(performance.now() - began).toBeGreaterThan(180);
    expect(Buffer.concat(answers).equals(content(200_000))).toBe(true);
  });

  test.each([1, 7, 1_000])("slices of %d bytes are the same bytes", async (bytes) => {
    const { client } = await open();
    proxy.poison("both", { kind: "slice", bytes });
    client.write(content(3_000));
    await sink.holds(3_000);
    expect(sink.received.equals(content(3_000))).toBe(true);
    expect(sink.chunks.length).toBeGreaterThan(bytes === 1_000 ? 0 : 1);
  });

  test("a limit cuts each connection after so many bytes, which all arrive", async () => {
    const one = await open();
    const two = await open();
    one.client.write("before");
    await sink.holds(6);
    proxy.poison("to-server", { kind: "limit", bytes: 10 });
    one.client.write("0123456");
    await sink.holds(13);
    const gone = [closed(one.client), closed(two.client)];
    one.client.write("789abcdef");
    await sink.holds(16);
    two.client.write("-123456789--");
    await Promise.all([...gone, sink.holds(26)]);
    expect(sink.received.toString()).toBe("before0123456789-123456789");
    await vi.waitFor(() => expect(proxy.connections).toBe(0));
    // Those that are opened later have their own.
    const three = await open();
    three.client.write("short");
    await sink.holds(31);
  });

  test.each([["to-server"], ["to-client"]] as const)("a black hole %s swallows that way, and lets the other pass", async (direction) => {
    const { client, server, answers } = await open();
    proxy.poison(direction, { kind: "black-hole" });
    client.write("up");
    server.write("down");
    const seen = (): readonly string[] => [sink.received.toString(), Buffer.concat(answers).toString()];
    await vi.waitFor(() => expect(seen()).toEqual(direction === "to-server" ? ["", "down"] : ["up", ""]));
    proxy.resume();
    client.write("UP");
    server.write("DOWN");
    await vi.waitFor(() => expect(seen()).toEqual(direction === "to-server" ? ["UP", "downDOWN"] : ["upUP", "DOWN"]));
  });

  test("a slow close tells the end late, and at once when it is removed", async () => {
    const { client } = await open();
    proxy.poison("both", { kind: "slow-close", ms: 3_600_000 });
    const gone = closed(client);
    client.end("last words");
    await Promise.all([sink.holds(10), gone]);
    expect([sink.ended, proxy.connections]).toEqual([0, 1]);
    proxy.resume();
    await vi.waitFor(() => expect([sink.ended, proxy.connections]).toEqual([1, 0]));
  });

  test("a reset ends both sides, whatever is held back", async () => {
    const { client, server } = await open();
    proxy.poison("both", { kind: "latency", ms: 3_600_000 });
    client.write("never comes");
    await vi.waitFor(() => expect(proxy.held).toBe(11));
    const gone = [closed(client), closed(server)];
    proxy.reset();
    await Promise.all(gone);
    await vi.waitFor(() => expect([proxy.connections, proxy.held]).toEqual([0, 0]));
    expect(sink.received.length).toBe(0);
  });

  test.each([["without toxics"], ["with latency"]])("holds a bounded number of bytes for a server that does not read, %s", async (how) => {
    const { client, server } = await open();
    if (how === "with latency") proxy.poison("to-server", { kind: "latency", ms: 1 });
    server.pause();
    const total = 48 * 1_024 * 1_024;
    let most = 0;
    server.on("data", () => (most = Math.max(most, proxy.held)));
    client.write(Buffer.alloc(total));
    await vi.waitFor(() => expect(proxy.held).toBeGreaterThan(0));
    server.resume();
    await vi.waitFor(() => expect(sink.bytes).toBe(total), { timeout: 4_000 });

    // What is held, and the chunk that was read last.
    expect(most).toBeLessThan(2 * 1_024 * 1_024);
  });

  test("sends new connections elsewhere, and leaves the others where they are", async () => {
    const other = await Sink.start();
    const { client } = await open();
    proxy.retarget({ host: "127.0.0.1", port: other.port });
    const late = connect(proxy.port, "127.0.0.1");
    clients.push(late);
    late.write("late");
    client.write("early");
    await Promise.all([other.holds(4), sink.holds(5)]);
    late.destroy();
    other.close();
  });
});
