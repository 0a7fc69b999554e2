import { createServer } from "node:net";
import { isWarrenError, Limits, type ErrorCode } from "@warren/protocol";
import { createMemoryTransport, MemoryBroker } from "@warren/transport/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";

const exchange = "events";
const code = (expected: ErrorCode) => (error: unknown) => isWarrenError(error, expected);
const event = (data: unknown, type = "a.b") => ({ type, source: "/s", data });

describe("a publisher", () => {
  let broker: MemoryBroker;
  let publisher: Publisher;
  const open = (options: Partial<PublisherOptions> = {}): Publisher =>
    createPublisher({ transport: createMemoryTransport({ broker }), exchange, ...options });
  beforeEach(async () => {
    broker = new MemoryBroker();
    const transport = createMemoryTransport({ broker });
    const queue = { name: "q", patterns: ["a.#"], singleActiveConsumer: true };
    await transport.ensureQueue({ exchange: { name: exchange, mode: "declare" }, queue });
    publisher = open();
  });
  afterEach(() => publisher.close());

  test("W10: ends ok, rejected, or indeterminate, each event by itself", async () => {
    const outcomes = await publisher.publishAll([event(1), event(2, "not valid"), { ...event(3), id: "" }]);
    expect(outcomes.map((each) => (each.kind === "ok" ? "ok" : each.error.code))).toEqual(["ok", "EVENT_INVALID", "EVENT_INVALID"]);
    await expect(publisher.publish(event(1, "b.c"))).rejects.toSatisfy(code("UNROUTABLE"));
    broker.faults.block("memory alarm");
    const hurried = open({ confirmTimeoutMs: 20 });
    await expect(hurried.publish({ ...event(4), id: "four" })).rejects.toThrow(/memory alarm.*four/s);
    await expect(hurried.publish(event(4))).rejects.toSatisfy(code("OUTCOME_UNKNOWN"));
    await hurried.close();
  });

  test("tells by its outcome what is no event", async () => {
    const none = undefined as unknown as Parameters<Publisher["publish"]>[0];
    await expect(publisher.publish(none)).rejects.toSatisfy(code("EVENT_INVALID"));
    expect((await publisher.publishAll([none, event(1)])).map(({ kind }) => kind)).toEqual(["rejected", "ok"]);
  });

  test("W10: waits while RabbitMQ blocks publishing, and ends ok when it does not any more", async () => {
    broker.faults.block("memory alarm");
    const outcomes = publisher.publishAll([event(1), event(2)]);
    broker.faults.block(undefined);
    expect((await outcomes).map(({ kind }) => kind)).toEqual(["ok", "ok"]);
  });

  test("W8: holds a bounded number of bytes: what is above is refused as BUFFER_FULL at once, and there is room again when events are settled", async () => {
    broker.faults.block("memory alarm");
    const large = "x".repeat(Limits.eventBytes - 1_000);
    const fit = Math.floor(Limits.publisherBufferBytes / (Limits.eventBytes - 800));
    const held = publisher.publishAll(Array.from({ length: fit }, () => event(large)));
    await expect(publisher.publish(event(large))).rejects.toSatisfy(code("BUFFER_FULL"));
    broker.faults.block(undefined);
    expect((await held).every(({ kind }) => kind === "ok")).toBe(true);
    expect(await publisher.publish(event(large))).toMatchObject({ id: expect.any(String) });
  });

  test("W10: closing leaves no event without an outcome, and takes no more; closing and draining twice is fine", async () => {
    broker.faults.block("memory alarm");
    const underWay = publisher.publish(event(1));
    const drained = publisher.drain();
    const waiting = publisher.publish(event(2));
    await publisher.close();
    for (const each of [underWay, waiting]) await expect(each).rejects.toThrow();
    await drained;
    await expect(publisher.publish(event(3))).rejects.toSatisfy(code("CLOSED"));
    await publisher.close();
    await publisher.drain();
  });

  test("W10: draining waits for the outcome of what was published", async () => {
    const outcome = publisher.publish(event(1));
    await publisher.drain();
    expect(await outcome).toMatchObject({ id: expect.any(String) });
  });
});

test("W10: through a broker that does not answer, closing makes what is under way OUTCOME_UNKNOWN, and what was not sent CLOSED", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const address = silent.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const publisher = createPublisher({ brokerUrl: `http://127.0.0.1:${port}` });
  const outcomes = publisher.publishAll(Array.from({ length: Limits.publishEvents + 1 }, (_, n) => event(n)));
  const reached = new Promise<void>((resolve) => silent.once("connection", () => resolve()));
  await reached;
  await publisher.close();
  const codes = (await outcomes).map((each) => (each.kind === "ok" ? "ok" : each.error.code));
  expect(codes.slice(0, -1).every((each) => each === "OUTCOME_UNKNOWN")).toBe(true);
  expect(codes.at(-1)).toBe("CLOSED");
  silent.close();
});
