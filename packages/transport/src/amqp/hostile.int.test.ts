import { createServer, type AddressInfo } from "node:net";
import { Limits, silentLogger, type WarrenError } from "@warren/protocol";
import { startFaultProxy, testNamespace } from "@warren/test-servers";
import { connect } from "amqplib";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { Delivery, Transport } from "../transport.ts";
import { createAmqpTransport } from "./amqp-transport.ts";

/** A table of tables, as it stands on the wire: name "a", tag F, length. */
function nested(depth: number): Buffer {
  const levels = Array.from({ length: depth }, (_, i) => {
    const level = Buffer.from([1, 0x61, 0x46, 0, 0, 0, 0]);
    level.writeUInt32BE(i * level.length, 3);
    return level;
  });
  return Buffer.concat(levels.toReversed());
}

describe("a hostile sender", () => {
  const exchange = `${testNamespace()}.hostile`;
  const received: Delivery[] = [];
  let transport: Transport;
  let proxy: Awaited<ReturnType<typeof startFaultProxy>>;
  let url: URL;
  let arrived: () => void = () => undefined;
  beforeAll(async () => {
    url = new URL(inject("amqpUrl"));
    proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5672) });
    transport = createAmqpTransport({ url: url.href, logger: silentLogger });
    await transport.ensureExchange({ name: exchange, mode: "declare" });
    const { promise, resolve } = Promise.withResolvers<void>();
    transport.consume({
      topology: { exchange: { name: exchange, mode: "passive" }, queue: { name: exchange, patterns: ["#"], singleActiveConsumer: true } },
      prefetch: 10,
      existing: false,
      queueMissing: () => Promise.resolve(),
      handler: {
        opened: () => resolve(),
        delivered: (_, delivery) => {
          received.push(delivery);
          arrived();
        },
        closed: () => undefined,
        waiting: () => undefined,
      },
    });
    await promise;
  });
  afterAll(async () => {
    await transport.close();
    const admin = await connect(url.href);
    const channel = await admin.createChannel();
    await channel.deleteQueue(exchange);
    await channel.deleteExchange(exchange);
    await admin.close();
    await proxy.close();
  });

  /** Publishes a header whose bytes are written as a table: amqplib would not nest so deep. */
  const publishTable = async (name: string, table: Buffer): Promise<Delivery> => {
    const marker = Buffer.from(`${name}x`);
    // The tag of a byte array becomes that of a table; both have a length of four bytes.
    proxy.onSent((chunk) => {
      const at = chunk.indexOf(marker);
      if (at >= 0) chunk.writeUInt8(0x46, at + name.length);
    });
    const through = new URL(url);
    through.hostname = "127.0.0.1";
    through.port = String(proxy.port);
    const connection = await connect(through.href);
    const channel = await connection.createConfirmChannel();
    const next = new Promise<void>((resolve) => (arrived = resolve));
    channel.publish(exchange, "a.b", Buffer.from("x"), { headers: { [name]: table } });
    await channel.waitForConfirms();
    await next;
    await connection.close();
    const delivery = received.at(-1);
    if (delivery === undefined) throw new Error("nothing arrived");
    return delivery;
  };

  test("W12: a header nested 8 000 deep is delivered, cut, and stops no queue", async () => {
    const delivery = await publishTable("deep", nested(8_000));
    let depth = 0;
    for (let at = delivery.headers.get("deep"); at instanceof Map; at = at.get("a") as never) depth += 1;
    expect(depth).toBeGreaterThan(16);
    expect(depth).toBeLessThan(100);
  });

  test("S16: names of the prototype are names of headers, whatever they hold", async () => {
    const hostile = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "__defineGetter__", "isAdmin"];
    const entry = (name: string): Buffer =>
      Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.from([0x53, 0, 0, 0, 1, 0x76])]);
    const { headers } = await publishTable("keys", Buffer.concat(hostile.map(entry)));
    expect(headers.get("keys")).toEqual(new Map(hostile.map((name) => [name, "v"])));
    expect(({} as { readonly isAdmin?: unknown }).isAdmin).toBeUndefined();
  });
});

describe("a hostile server", () => {
  test.each([
    ["4 GiB", 0xffff_ffff],
    ["more than was negotiated", Limits.amqpFrameBytes + 1],
  ])("S18: a frame of %s ends the connection before it is read", async (_, size) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        const head = Buffer.from([1, 0, 0, 0, 0, 0, 0]);
        head.writeUInt32BE(size, 3);
        socket.write(head);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const transport = createAmqpTransport({ url: `amqp://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const refused = await transport.ensureExchange({ name: "x", mode: "passive" }).catch((error: unknown) => error as WarrenError);
    expect(refused).toMatchObject({ code: "TRANSPORT_UNAVAILABLE", message: expect.stringMatching(/frame/i) as string });
    await transport.close();
    server.close();
  });
});
