import { Code, createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher } from "@warren/client";
import { AckMode, AdminService, EventStanding, SubscriptionService } from "@warren/protocol/v1";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { RawSession } from "./testing/raw-session.ts";

describe("settling events", () => {
  let deployment: Deployment;
  let url = "";
  let admin: Client<typeof AdminService>;
  beforeAll(async () => {
    deployment = await deploy();
    ({ url } = await deployment.start());
    admin = createClient(AdminService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
  });
  afterAll(() => deployment.close());

  async function publish(type: string, count: number, from = 1): Promise<void> {
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    await publisher.publishAll(
      Array.from({ length: count }, (_, n) => ({ type, source: "/s", id: `${type}-${from + n}`, data: from + n })),
    );
  }
  const open = (consumer: string, more: object = {}) =>
    new RawSession(url, { consumer, receiver: { patterns: [`${consumer}.#`] }, ...more });
  /** A session that got `count` events. */
  async function withEvents(consumer: string, count: number): Promise<RawSession> {
    const session = open(consumer);
    await session.frame("caughtUp");
    await publish(`${consumer}.x`, count);
    await session.received(count);
    return session;
  }
  const range = (first: bigint, last: bigint) => ({ first, last });

  test("W7: ranges are saved, told, survive a sleep and a restart of the session, and are not sent again", async () => {
    const first = await withEvents("ranges", 8);
    first.ack({ upToOffset: 1n, ranges: [range(3n, 4n), range(7n, 7n)] });
    const acked = await first.frame("acked", ({ settled }) => settled.length === 2);
    expect(acked).toMatchObject({ ackedOffset: 1n, settled: [range(3n, 4n), range(7n, 7n)] });
    await first.leave();
    await vi.waitFor(async () =>
      expect((await admin.getConsumer({ consumer: "ranges" })).consumer).toMatchObject({
        ackedOffset: 1n,
        settled: [range(3n, 4n), range(7n, 7n)],
      }),
    );
    const second = open("ranges");
    expect(await second.frame("opened")).toMatchObject({ afterOffset: 1n, settled: [range(3n, 4n), range(7n, 7n)] });
    expect(await second.received(4)).toEqual([2n, 5n, 6n, 8n]);
    second.ack({ ranges: [range(2n, 2n)] });
    expect(await second.frame("acked", ({ ackedOffset }) => ackedOffset === 4n)).toMatchObject({ settled: [range(7n, 7n)] });
    second.ack({ upToOffset: 8n });
    await second.frame("acked", ({ ackedOffset }) => ackedOffset === 8n);
    await second.leave();
  });

  test("W7: a wrong ack is refused with its reason, changes nothing, and the stream goes on", async () => {
    const session = await withEvents("refused", 2);
    for (const wrong of [
      { upToOffset: 3n },
      { upToOffset: -1n },
      { ranges: [range(2n, 1n)] },
      { ranges: [range(0n, 1n)] },
      { ranges: [range(1n, 9n)] },
      { deliveryIds: [1n] },
      { ranges: Array.from({ length: 1_001 }, () => range(1n, 1n)) },
    ]) {
      const before = session.all("refused").length;
      session.ack(wrong);
      expect(await session.until(() => session.all("refused")[before])).toMatchObject({ code: "ACK_INVALID" });
    }
    expect(session.all("acked")).toEqual([]);
    session.ack({ upToOffset: 2n });
    await session.frame("acked", ({ ackedOffset }) => ackedOffset === 2n);
    await session.leave();
  });

  test("an ack beside the stream answers when it is saved; of a session that is over or was taken over it says so", async () => {
    const client = createClient(SubscriptionService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
    const session = await withEvents("unary", 4);
    const { sessionId } = await session.frame("opened");
    expect(await client.ack({ sessionId, ranges: [range(2n, 3n)] })).toMatchObject({ ackedOffset: 0n, settled: [range(2n, 3n)] });
    expect(await client.ack({ sessionId, upToOffset: 1n })).toMatchObject({ ackedOffset: 3n, settled: [] });
    // Acked already: it answers at once, also for what was never acked here.
    expect(await client.ack({ sessionId, upToOffset: 2n })).toMatchObject({ ackedOffset: 3n });
    expect(await client.ack({ sessionId })).toMatchObject({ ackedOffset: 3n });
    const next = open("unary", { onConflict: 2 });
    await next.frame("opened");
    await expect(client.ack({ sessionId, upToOffset: 4n })).rejects.toMatchObject({ code: Code.Aborted });
    const { sessionId: left } = await next.frame("opened");
    await next.leave();
    await vi.waitFor(() =>
      expect(client.ack({ sessionId: left, upToOffset: 4n })).rejects.toMatchObject({ code: Code.FailedPrecondition }),
    );
    await expect(client.ack({ sessionId: "nobody", upToOffset: 1n })).rejects.toMatchObject({ code: Code.NotFound });
    expect((await admin.getConsumer({ consumer: "unary" })).consumer?.ackedOffset).toBe(3n);
  });

  test("parks an event once, goes on, retries it as a side delivery to that consumer alone, and forgets it when it is done", async () => {
    const session = await withEvents("park", 3);
    session.park({ offset: 2n, reason: "no such customer", attempts: 4 });
    session.park({ offset: 2n, reason: "no such customer", attempts: 4 });
    await session.frame("acked", ({ settled }) => settled.length === 1);
    session.ack({ upToOffset: 3n });
    await session.frame("acked", ({ ackedOffset }) => ackedOffset === 3n);
    const { events } = await admin.listParked({ consumer: "park" });
    expect(events).toMatchObject([{ offset: 2n, reason: "no such customer", attempts: 4, retrying: false, event: { id: "park.x-2" } }]);
    expect((await admin.getConsumer({ consumer: "park" })).consumer?.parked).toBe(1n);
    expect(await admin.explain({ consumer: "park", source: "/s", id: "park.x-2" })).toMatchObject({
      standing: EventStanding.PARKED,
      offset: 2n,
    });

    expect((await admin.retryParked({ consumer: "park", dryRun: true })).count).toBe(1n);
    expect(session.all("side")).toEqual([]);
    expect((await admin.retryParked({ consumer: "park", offsets: [2n] })).count).toBe(1n);
    const side = await session.frame("side");
    expect(side).toMatchObject({ reason: "no such customer", attempts: 4, batch: { firstOffset: 2n, events: [{ id: "park.x-2" }] } });
    // It fails again, and is retried once more.
    session.park({ deliveryId: side.deliveryId, reason: "still", attempts: 1 });
    await session.frame("acked", ({ deliveryIds }) => deliveryIds.includes(side.deliveryId));
    expect((await admin.listParked({ consumer: "park" })).events).toMatchObject([{ reason: "still", attempts: 5, retrying: false }]);
    await session.leave();
    await admin.retryParked({ consumer: "park" });
    const next = open("park");
    const again = await next.frame("side");
    expect(again.deliveryId).toBeGreaterThan(side.deliveryId);
    next.ack({ deliveryIds: [again.deliveryId] });
    await next.frame("acked", ({ deliveryIds }) => deliveryIds.includes(again.deliveryId));
    expect((await admin.listParked({ consumer: "park" })).events).toEqual([]);
    expect(next.events).toEqual([]);
    await next.leave();
  });

  test("a side delivery that was not settled comes again in the next session; a discarded one does not", async () => {
    const session = await withEvents("side", 3);
    for (const offset of [1n, 2n, 3n]) session.park({ offset, reason: "why", attempts: 1 });
    await session.frame("acked", ({ ackedOffset }) => ackedOffset === 3n);
    await admin.retryParked({ consumer: "side", offsets: [3n] });
    await admin.retryParked({ consumer: "side" });
    await session.until(() => (session.all("side").length === 3 ? true : undefined));
    expect(session.all("side").map(({ batch }) => batch?.firstOffset)).toEqual([3n, 1n, 2n]);
    await session.leave();
    expect((await admin.discardParked({ consumer: "side", offsets: [1n], dryRun: true })).count).toBe(1n);
    expect((await admin.discardParked({ consumer: "side", offsets: [1n] })).count).toBe(1n);
    await expect(admin.discardParked({ consumer: "side" })).rejects.toMatchObject({ code: Code.InvalidArgument });
    const next = open("side");
    await next.until(() => (next.all("side").length === 2 ? true : undefined));
    expect(next.all("side").map(({ batch }) => batch?.firstOffset)).toEqual([3n, 2n]);
    expect((await admin.discardParked({ consumer: "side", all: true })).count).toBe(2n);
    // Settled on both sides: what is gone is gone.
    next.ack({ deliveryIds: next.all("side").map(({ deliveryId }) => deliveryId) });
    await next.until(() => (next.all("acked").flatMap(({ deliveryIds }) => deliveryIds).length === 2 ? true : undefined));
    await next.leave();
  });

  test("parking needs an event that was sent, and a name", async () => {
    const session = await withEvents("nopark", 1);
    session.park({ offset: 2n, reason: "x" });
    expect(await session.frame("refused")).toMatchObject({ code: "ACK_INVALID", offset: 2n });
    session.park({ reason: "x" });
    expect(await session.frame("refused", ({ code }) => code === "REQUEST_INVALID")).toBeDefined();
    await session.leave();
    const nameless = open("", { receiver: { patterns: ["nameless"] } });
    await nameless.frame("caughtUp");
    await publish("nameless", 1);
    await nameless.received(1);
    nameless.park({ offset: 1n, reason: "x" });
    expect(await nameless.frame("refused")).toMatchObject({ code: "NOT_SUPPORTED", offset: 1n });
    await nameless.leave();
  });

  test("AUTO: the broker acks when the frame was handed over", async () => {
    const session = open("auto", { ackMode: AckMode.AUTO });
    await session.frame("caughtUp");
    await publish("auto.x", 3);
    await session.received(3);
    await vi.waitFor(async () => expect((await admin.getConsumer({ consumer: "auto" })).consumer?.ackedOffset).toBe(3n));
    await session.leave();
  });
});
