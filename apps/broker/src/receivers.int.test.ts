import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber, isWarrenError, type Subscription, type SubscriptionOptions } from "@warren/client";
import { AdminService, ConsumerState, SubscriptionService, type OnConflict, type OpenSchema } from "@warren/protocol/v1";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { connect } from "amqplib";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";

const http2 = (baseUrl: string): Transport => createConnectTransport({ baseUrl, httpVersion: "2" });

async function reached(subscription: Subscription, kind: string): Promise<void> {
  if (subscription.current.kind === kind) return;
  for await (const status of subscription.status()) if (status.kind === kind) return;
}

describe("receivers and consumers", () => {
  let deployment: Deployment;
  let url = "";
  beforeAll(async () => {
    deployment = await deploy();
    ({ url } = await deployment.start());
  });
  afterAll(() => deployment.close());

  const subscribe = (options: SubscriptionOptions, broker = url): Subscription =>
    createSubscriber({ brokerUrl: broker }).subscribe(options);
  const publish = async (type: string, count: number): Promise<void> => {
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    await publisher.publishAll(Array.from({ length: count }, (_, n) => ({ type, source: "/s", data: n })));
  };
  async function takeOffsets(subscription: Subscription, count: number): Promise<bigint[]> {
    const offsets: bigint[] = [];
    for await (const { offset, ack } of subscription) {
      ack();
      if (offsets.push(offset) === count) break;
    }
    return offsets;
  }

  test("subscriptions with the same config share one receiver, also when they arrive together and in another order", async () => {
    const patterns = ["shared.a", "shared.b"];
    const subscriptions = ["one", "two", "three"].map((consumer, i) =>
      subscribe({ consumer, patterns: i === 1 ? patterns.toReversed() : patterns }),
    );
    await Promise.all(subscriptions.map((each) => reached(each, "caughtUp")));
    await vi.waitFor(async () => {
      const { receivers } = await createClient(AdminService, http2(url)).listReceivers({});
      const mine = receivers.filter(({ config }) => config?.patterns.join() === patterns.join());
      expect(mine).toMatchObject([{ activeConsumers: 3, consuming: true, waitingFor: "" }]);
    });
    await publish("shared.a", 3);
    expect(await Promise.all(subscriptions.map((each) => takeOffsets(each, 3)))).toEqual([
      [1n, 2n, 3n],
      [1n, 2n, 3n],
      [1n, 2n, 3n],
    ]);
  });

  test("a new name starts where it asks: earliest, after an offset, a time, latest", async () => {
    const patterns = ["start.#"];
    const first = subscribe({ consumer: "start-0", patterns });
    await reached(first, "caughtUp");
    await publish("start.x", 5);
    await takeOffsets(first, 5);
    expect(await takeOffsets(subscribe({ consumer: "start-1", patterns, start: "earliest" }), 5)).toEqual([1n, 2n, 3n, 4n, 5n]);
    expect(await takeOffsets(subscribe({ consumer: "start-2", patterns, start: { afterOffset: 3n } }), 2)).toEqual([4n, 5n]);
    expect(await takeOffsets(subscribe({ consumer: "start-3", patterns, start: new Date(Date.now() - 60_000) }), 5)).toEqual([
      1n,
      2n,
      3n,
      4n,
      5n,
    ]);
    const latest = subscribe({ consumer: "start-4", patterns });
    await reached(latest, "caughtUp");
    await publish("start.x", 1);
    expect(await takeOffsets(latest, 1)).toEqual([6n]);
  });

  test("a broker that began before another made a receiver gives the past of that receiver's log", async () => {
    const own = await deploy();
    const [first, second] = [await own.start(), await own.start()];
    const patterns = ["past.#"];
    const made = subscribe({ consumer: "made", patterns }, first.url);
    await reached(made, "caughtUp");
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: own.exchange });
    await publisher.publishAll(Array.from({ length: 3 }, (_, n) => ({ type: "past.x", source: "/s", data: n })));
    expect(await takeOffsets(made, 3)).toEqual([1n, 2n, 3n]);
    expect(await takeOffsets(subscribe({ consumer: "other", patterns, start: { afterOffset: 1n } }, second.url), 2)).toEqual([2n, 3n]);
    await own.close();
  });

  test("a restarted broker has all consumers asleep, and each goes on where it was", async () => {
    const own = await deploy();
    const first = await own.start();
    const subscription = subscribe({ consumer: "sleeper", patterns: ["#"] }, first.url);
    await reached(subscription, "caughtUp");
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: own.exchange });
    await publisher.publishAll(Array.from({ length: 4 }, (_, n) => ({ type: "a.b", source: "/s", data: n })));
    const seen: bigint[] = [];
    for await (const { offset, ack } of subscription) {
      seen.push(offset);
      ack();
      if (seen.length === 2) await vi.waitFor(() => expect(subscription.ackedOffset).toBe(2n));
      if (seen.length === 2) break;
    }
    await first.drop();
    await publisher.publish({ type: "a.b", source: "/s", data: "while away" });

    const second = await own.start();
    const admin = createClient(AdminService, http2(second.url));
    expect((await admin.getConsumer({ consumer: "sleeper" })).consumer).toMatchObject({ state: ConsumerState.ASLEEP, ackedOffset: 2n });
    const again = subscribe({ consumer: "sleeper", patterns: ["#"] }, second.url);
    expect(await takeOffsets(again, 3)).toEqual([3n, 4n, 5n]);
    await own.close();
  });

  test("W6: a second program stands by and takes the place of the first when it goes", async () => {
    const first = subscribe({ consumer: "pair", patterns: ["pair.#"] });
    await reached(first, "caughtUp");
    const second = subscribe({ consumer: "pair", patterns: ["pair.#"] });
    await reached(second, "standby");
    await first.close();
    await reached(second, "caughtUp");
    const third = subscribe({ consumer: "pair", patterns: ["pair.#"], onConflict: "take-over" });
    await reached(third, "caughtUp");
    await expect(takeOffsets(second, 1)).rejects.toSatisfy((error) => isWarrenError(error, "TAKEN_OVER"));
    expect(second.current).toEqual({ kind: "superseded" });
    await expect(takeOffsets(subscribe({ consumer: "pair", patterns: ["pair.#"], onConflict: "reject" }), 1)).rejects.toSatisfy((error) =>
      isWarrenError(error, "CONSUMER_BUSY"),
    );
    await third.close();
  });

  test("W9: a queue that was deleted is recorded, made again, and told to the consumer", async () => {
    const subscription = subscribe({ consumer: "gap", patterns: ["gap.#"] });
    await reached(subscription, "caughtUp");
    const { receivers } = await createClient(AdminService, http2(url)).listReceivers({});
    const queue = receivers.find(({ config }) => config?.patterns[0] === "gap.#")?.queue ?? "";
    const told = reached(subscription, "gap");
    const admin = await connect(inject("amqpUrl"));
    await (await admin.createChannel()).deleteQueue(queue);
    await admin.close();
    await told;
    await vi.waitFor(async () => {
      const after = await createClient(AdminService, http2(url)).listReceivers({});
      expect(after.receivers.find((each) => each.queue === queue)?.consuming).toBe(true);
    });
    await publish("gap.x", 1);
    expect(await takeOffsets(subscription, 1)).toEqual([1n]);
  });

  describe("bad input", () => {
    const open = async (request: MessageInitShape<typeof OpenSchema>): Promise<string> => {
      const client = createClient(SubscriptionService, http2(url));
      try {
        const stream = client.follow({ open: request }, { timeoutMs: 5_000 });
        for await (const { frame } of stream) return `frame ${frame.case}`;
        return "ended";
      } catch (error) {
        const { metadata, code } = ConnectError.from(error);
        return metadata.get("warren-code") ?? `status ${code}`;
      }
    };
    const good = { receiver: { patterns: ["bad.#"] }, consumer: "bad-input" };
    const past = (seconds: bigint) => ({ start: { case: "time" as const, value: { seconds, nanos: 0 } } });
    test.each([
      ["nothing", {}, "PATTERN_INVALID"],
      ["a name with a control character", { ...good, consumer: "a\nb" }, "NAME_INVALID"],
      ["a name of 201 bytes", { ...good, consumer: "x".repeat(201) }, "NAME_INVALID"],
      ["no patterns", { consumer: "x", receiver: {} }, "PATTERN_INVALID"],
      ["33 patterns", { receiver: { patterns: Array.from({ length: 33 }, (_, i) => `p${i}`) } }, "PATTERN_INVALID"],
      ["a pattern with three #", { receiver: { patterns: ["#.a.#.b.#"] } }, "PATTERN_INVALID"],
      ["a filter", { ...good, receiver: { patterns: ["a"], filter: "true" } }, "NOT_SUPPORTED"],
      ["a window of 10 001", { ...good, maxInFlight: 10_001 }, "REQUEST_INVALID"],
      ["a negative start", { ...good, start: { start: { case: "afterOffset" as const, value: -1n } } }, "REQUEST_INVALID"],
      [
        "a start above the head of a new config",
        { receiver: { patterns: ["new.x"] }, start: { start: { case: "afterOffset" as const, value: 9n } } },
        "OFFSET_OUT_OF_RANGE",
      ],
      ["a start in the future", { ...good, start: past(32_503_680_000n) }, "REQUEST_INVALID"],
      ["a time-out of a millisecond", { ...good, sessionTimeout: { seconds: 0n, nanos: 1_000_000 } }, "REQUEST_INVALID"],
      ["a conflict policy that is not known", { ...good, onConflict: 77 as OnConflict }, "REQUEST_INVALID"],
      ["the log of another life", { ...good, knownLogId: "other", knownOffset: 5n }, "LOG_LOST"],
    ])("%s: a typed error", async (_, request, expected) => {
      expect(await open(request)).toBe(expected);
    });

    test("the same name with another config names the difference, and makes nothing", async () => {
      const first = subscribe({ consumer: "mismatch", patterns: ["bad.a", "bad.b"] });
      await reached(first, "caughtUp");
      const before = (await createClient(AdminService, http2(url)).listReceivers({})).receivers.length;
      const second = subscribe({ consumer: "mismatch", patterns: ["bad.a", "bad.c"] });
      await expect(takeOffsets(second, 1)).rejects.toThrow("patterns added: bad.c; patterns missing: bad.b");
      expect((await createClient(AdminService, http2(url)).listReceivers({})).receivers).toHaveLength(before);
      await first.close();
    });

    test("an ack above what was sent is refused, and changes nothing", async () => {
      const client = createClient(SubscriptionService, http2(url));
      for await (const { frame } of client.follow({ open: { consumer: "acks", receiver: { patterns: ["acks"] } } })) {
        if (frame.case !== "opened") continue;
        await expect(client.ack({ sessionId: frame.value.sessionId, upToOffset: 1n })).rejects.toThrow("offset 1 was not sent");
        await expect(client.ack({ sessionId: "nobody", upToOffset: 1n })).rejects.toThrow('no session has the id "nobody"');
        await expect(client.ack({ sessionId: frame.value.sessionId, upToOffset: -1n })).rejects.toThrow("must be 0 or more");
        break;
      }
      expect((await createClient(AdminService, http2(url)).getConsumer({ consumer: "acks" })).consumer?.ackedOffset).toBe(0n);
    });

    test("publishing what no log can take says so for each event", async () => {
      await using publisher = createPublisher({ brokerUrl: url });
      const outcomes = await publisher.publishAll([
        { type: "ok.x", source: "/s" },
        { type: "not ok", source: "/s" },
        { type: "ok.x", source: "" },
      ]);
      expect(outcomes.map((each) => (each.kind === "ok" ? "ok" : each.error.code))).toEqual(["ok", "EVENT_INVALID", "EVENT_INVALID"]);
    });
  });

  test("a port in use and an exchange of another type are told with the cure", async () => {
    const port = Number(new URL(url).port);
    const other = await deploy();
    await expect(other.start({ listen: port })).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`);
    await other.close();

    const admin = await connect(inject("amqpUrl"));
    const channel = await admin.createChannel();
    const exchange = `fanout-${Date.now()}`;
    await channel.assertExchange(exchange, "fanout", { durable: true });
    const wrong = await deploy({ exchange, makeExchange: false });
    const broker = await wrong.start();
    await expect(takeOffsets(subscribe({ consumer: "x", patterns: ["#"], onConflict: "reject" }, broker.url), 1)).rejects.toThrow(
      "is not a durable topic exchange",
    );
    await wrong.close();
    await channel.deleteExchange(exchange);
    await admin.close();
  });
});
