import { Code, createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber } from "@warren/client";
import { AdminService, ConsumerState, EventStanding } from "@warren/protocol/v1";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { partsOf } from "./testing/parts.ts";
import { RawSession } from "./testing/raw-session.ts";

describe("what operators do", () => {
  let deployment: Deployment;
  let url = "";
  let admin: Client<typeof AdminService>;
  beforeAll(async () => {
    deployment = await deploy();
    ({ url } = await deployment.start());
    admin = createClient(AdminService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
  });
  afterAll(() => deployment.close());

  async function publish(type: string, count: number): Promise<void> {
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    await publisher.publishAll(Array.from({ length: count }, (_, n) => ({ type, source: "/s", id: `${type}-${n + 1}`, data: n + 1 })));
  }
  const open = (consumer: string, more: object = {}) =>
    new RawSession(url, { consumer, receiver: { patterns: [`${consumer}.#`] }, ...more });
  async function withEvents(consumer: string, count: number): Promise<RawSession> {
    const session = open(consumer);
    await session.frame("caughtUp");
    await publish(`${consumer}.x`, count);
    await session.received(count);
    return session;
  }
  const after = (offset: bigint) => ({ start: { case: "afterOffset" as const, value: offset } });

  test("seek moves a live consumer: its session ends, and the next one begins at the new place; a dry run says so and does nothing", async () => {
    const session = await withEvents("seek", 6);
    session.ack({ upToOffset: 5n });
    await session.frame("acked", ({ ackedOffset }) => ackedOffset === 5n);
    expect(await admin.seekConsumer({ consumer: "seek", to: after(2n), dryRun: true })).toMatchObject({ fromOffset: 5n, toOffset: 2n });
    expect(await admin.seekConsumer({ consumer: "seek", to: after(2n) })).toMatchObject({ fromOffset: 5n, toOffset: 2n });
    expect(await session.ended()).toMatchObject({ code: Code.Unavailable, rawMessage: expect.stringContaining("moved") as string });
    const next = open("seek");
    expect(await next.frame("opened")).toMatchObject({ afterOffset: 2n, moves: 1n });
    expect(await next.received(4)).toEqual([3n, 4n, 5n, 6n]);
    await next.leave();
    for (const [to, offset] of [
      [{ start: { case: "earliest" as const, value: {} } }, 0n],
      [{ start: { case: "latest" as const, value: {} } }, 6n],
      [{ start: { case: "time" as const, value: timestampFromMs(Date.now()) } }, 6n],
    ] as const) {
      expect((await admin.seekConsumer({ consumer: "seek", to })).toOffset).toBe(offset);
    }
    await expect(admin.seekConsumer({ consumer: "seek", to: after(7n) })).rejects.toMatchObject({ code: Code.OutOfRange });
    await expect(admin.seekConsumer({ consumer: "nobody", to: after(0n) })).rejects.toMatchObject({ code: Code.NotFound });
    await expect(admin.seekConsumer({ consumer: "seek" })).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test("the SDK follows a seek: what it handed over before comes again, once more", async () => {
    const subscription = createSubscriber({ brokerUrl: url }).subscribe({ consumer: "follow", patterns: ["follow.#"] });
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    const seen: bigint[] = [];
    const running = subscription.run(({ offset }) => void seen.push(offset));
    await publish("follow.x", 4);
    await vi.waitFor(() => expect(subscription.ackedOffset).toBe(4n));
    await admin.seekConsumer({ consumer: "follow", to: after(1n) });
    await vi.waitFor(() => expect(seen).toHaveLength(7), { timeout: 10_000 });
    expect(seen).toEqual([1n, 2n, 3n, 4n, 2n, 3n, 4n]);
    await subscription.close();
    await running;
  });

  test("M6: what another broker did to a name reaches its session: moved while idle, moved before an ack, deleted, taken", async () => {
    const parts = partsOf(deployment);
    const { state } = parts;
    const subscription = createSubscriber({ brokerUrl: url }).subscribe({ consumer: "elsewhere", patterns: ["elsewhere.#"] });
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    const seen: bigint[] = [];
    const running = subscription.run(({ offset }) => void seen.push(offset));
    await publish("elsewhere.x", 3);
    await vi.waitFor(async () => expect((await state.consumer("elsewhere"))?.ackedOffset).toBe(3n), { timeout: 10_000 });
    await state.moveConsumer("elsewhere", 1n);
    await vi.waitFor(() => expect(seen).toEqual([1n, 2n, 3n, 2n, 3n]), { timeout: 10_000 });
    await subscription.close();
    await running;

    const acking = await withEvents("elsewhere-acks", 2);
    await state.moveConsumer("elsewhere-acks", 0n);
    acking.ack({ upToOffset: 2n });
    expect(await acking.ended()).toMatchObject({ rawMessage: expect.stringContaining("was moved") as string });

    const deleted = await withEvents("elsewhere-deleted", 1);
    await state.deleteConsumer("elsewhere-deleted");
    expect(await deleted.ended()).toMatchObject({ rawMessage: expect.stringContaining("deleted") as string });
    await vi.waitFor(
      () => expect(admin.getConsumer({ consumer: "elsewhere-deleted" })).rejects.toMatchObject({ code: Code.NotFound }),
      5_000,
    );

    const taken = await withEvents("elsewhere-taken", 1);
    const { receiverId = 0n } = (await state.consumer("elsewhere-taken")) ?? {};
    await state.claimConsumer("elsewhere-taken", receiverId, 0n);
    expect(await taken.ended()).toMatchObject({ code: Code.Aborted });
    await parts.close();
  });

  test("pause holds back what is not sent, also over a sleep and a restart; resume goes on", async () => {
    const own = await deploy();
    const first = await own.start();
    const client = createClient(AdminService, createConnectTransport({ baseUrl: first.url, httpVersion: "2" }));
    const openAt = (at: string) => new RawSession(at, { consumer: "pause", receiver: { patterns: ["pause.#"] } });
    const session = openAt(first.url);
    await session.frame("caughtUp");
    await client.pauseConsumer({ consumer: "pause", reason: "maintenance" });
    expect(await session.frame("paused")).toMatchObject({ reason: "maintenance" });
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: own.exchange });
    await publisher.publish({ type: "pause.x", source: "/s", data: 1 });
    await vi.waitFor(async () =>
      expect((await client.getConsumer({ consumer: "pause" })).consumer).toMatchObject({
        headOffset: 1n,
        sentOffset: 0n,
        paused: "maintenance",
      }),
    );
    await session.leave();
    await first.drop();
    const second = await own.start();
    const again = openAt(second.url);
    expect(await again.frame("paused")).toMatchObject({ reason: "maintenance" });
    expect(again.events).toEqual([]);
    await createClient(AdminService, createConnectTransport({ baseUrl: second.url, httpVersion: "2" })).resumeConsumer({
      consumer: "pause",
    });
    await again.frame("resumed");
    expect(await again.received(1)).toEqual([1n]);
    await again.leave();
    await own.close();
  });

  test("the breaker pauses a consumer that parks most of its events, until an operator resumes it", async () => {
    const session = open("breaker");
    await session.frame("caughtUp");
    await publish("breaker.x", 30);
    await session.received(30);
    for (let offset = 1n; offset <= 30n; offset += 1n) session.park({ offset, reason: "always" });
    expect(await session.frame("paused")).toMatchObject({ reason: expect.stringContaining("were parked") as string });
    await publish("breaker.y", 1);
    await vi.waitFor(async () =>
      expect((await admin.getConsumer({ consumer: "breaker" })).consumer).toMatchObject({ headOffset: 31n, parked: 30n }),
    );
    expect(session.events).toHaveLength(30);
    await admin.resumeConsumer({ consumer: "breaker" });
    await session.received(31);
    await session.leave();
  });

  test("delete forgets a consumer: its session ends for good, and the name begins anew", async () => {
    const session = await withEvents("delete", 2);
    const { sessionToken } = await session.frame("opened");
    expect((await admin.deleteConsumer({ consumer: "delete", dryRun: true })).consumer).toMatchObject({ name: "delete", headOffset: 2n });
    expect((await admin.getConsumer({ consumer: "delete" })).consumer?.state).toBe(ConsumerState.LIVE);
    await admin.deleteConsumer({ consumer: "delete" });
    expect(await session.ended()).toMatchObject({ code: Code.FailedPrecondition });
    await expect(admin.getConsumer({ consumer: "delete" })).rejects.toMatchObject({ code: Code.NotFound });
    await expect(admin.deleteConsumer({ consumer: "delete" })).rejects.toMatchObject({ code: Code.NotFound });
    const again = open("delete", { start: { start: { case: "earliest", value: {} } } });
    // W6: tokens survive delete and re-create.
    const opened = await again.frame("opened");
    expect(opened).toMatchObject({ resumed: false, afterOffset: 0n });
    expect(opened.sessionToken).toBeGreaterThan(sessionToken);
    expect(await again.received(2)).toEqual([1n, 2n]);
    await again.leave();
  });

  test("explain tells where an event stands", async () => {
    const session = await withEvents("explain", 3);
    const { sessionToken } = await session.frame("opened");
    const explain = (n: number) => admin.explain({ consumer: "explain", source: "/s", id: `explain.x-${n}` });
    session.ack({ upToOffset: 1n, ranges: [{ first: 3n, last: 3n }] });
    await session.frame("acked");
    expect(await explain(1)).toMatchObject({ standing: EventStanding.ACKED, offset: 1n });
    expect(await explain(2)).toMatchObject({ standing: EventStanding.SENT, offset: 2n, sessionToken });
    expect(await explain(3)).toMatchObject({ standing: EventStanding.ACKED, offset: 3n });
    expect(await explain(9)).toMatchObject({ standing: EventStanding.NOT_STORED, offset: 0n, receiverKeys: [] });
    await session.leave();
    await vi.waitFor(async () => expect(await explain(2)).toMatchObject({ standing: EventStanding.WAITING, sessionToken: 0n }));
  });
});
