import { Code, createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber } from "@warren/client";
import { AdminService, OnConfigChange, OnConflict } from "@warren/protocol/v1";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { RawSession } from "./testing/raw-session.ts";

describe("a name whose config changes", () => {
  let deployment: Deployment;
  let url = "";
  let admin: Client<typeof AdminService>;
  beforeAll(async () => {
    deployment = await deploy();
    ({ url } = await deployment.start());
    admin = createClient(AdminService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
  });
  afterAll(() => deployment.close());

  /** Types `name.a`, `name.b` …, one for each letter, with the ids a1, b2 … */
  async function publish(name: string, letters: string, from = 1): Promise<void> {
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    await publisher.publishAll(
      letters.split("").map((letter, i) => ({ type: `${name}.${letter}`, source: "/s", id: `${letter}${from + i}` })),
    );
  }
  const open = (name: string, letters: string, more: object = {}): RawSession =>
    new RawSession(url, { consumer: name, receiver: { patterns: letters.split("").map((letter) => `${name}.${letter}`) }, ...more });
  const migrate = { onConfigChange: OnConfigChange.MIGRATE };
  const ids = (session: RawSession): readonly string[] => session.events.map(({ id }) => id);
  const received = (session: RawSession, count: number) => session.until(() => (session.events.length >= count ? ids(session) : undefined));
  /** Opens, takes `count` events and acks the first `acked` of them. */
  async function withAcked(session: RawSession, count: number, acked: number): Promise<void> {
    await session.received(count);
    session.ack({ upToOffset: BigInt(acked) });
    await session.frame("acked", ({ ackedOffset }) => ackedOffset === BigInt(acked));
  }
  const mismatch = (text: string) => ({ code: Code.FailedPrecondition, rawMessage: expect.stringContaining(text) as string });

  test("fails with the difference by default; migrates when asked, misses nothing of the new config and repeats nothing settled", async () => {
    // Someone else uses the new config already.
    const other = new RawSession(url, { consumer: "joined-other", receiver: { patterns: ["joined.b", "joined.c"] } });
    const before = open("joined", "ab");
    await Promise.all([other.frame("caughtUp"), before.frame("caughtUp")]);
    await publish("joined", "acbbcab");
    await withAcked(before, 5, 3);
    const { receiverKey, logId } = await before.frame("opened");
    await before.leave();
    await publish("joined", "cab", 8);

    expect(await open("joined", "bc").ended()).toMatchObject(mismatch("patterns added: joined.c; patterns missing: joined.a"));
    // Acked: a1, b3, b4. What a subscriber knows of the old log is void, and no reason to call the log lost.
    const after = open("joined", "bc", { ...migrate, knownLogId: logId, knownOffset: 3n });
    expect(await after.frame("opened")).toMatchObject({ migratedFrom: receiverKey, moves: 1n, resumed: true, afterOffset: 3n });
    expect(await received(after, 4)).toEqual(["c5", "b7", "c8", "b10"]);
    await after.frame("caughtUp");
    after.ack({ upToOffset: 5n });
    await after.frame("acked", ({ ackedOffset }) => ackedOffset === 5n);
    await after.leave();

    const again = open("joined", "bc", migrate);
    expect(await again.frame("opened")).toMatchObject({ migratedFrom: "", moves: 1n, afterOffset: 5n });
    expect(await received(again, 2)).toEqual(["c8", "b10"]);
    await again.leave();
    expect(await open("joined", "ab").ended()).toMatchObject(mismatch("on_config_change"));
    await other.leave();
  });

  test("a new receiver never saw what is un-acked: that is refused until it is acked; then what may have been missed is told as a gap", async () => {
    const before = open("young", "ab");
    await before.frame("caughtUp");
    await publish("young", "ab");
    await withAcked(before, 2, 1);
    const refused = open("young", "bc", { ...migrate, onConflict: OnConflict.TAKE_OVER });
    expect(await refused.ended()).toMatchObject(mismatch("1 un-acked events"));
    // Nothing happened to the session of the old config, which acks.
    before.ack({ upToOffset: 2n });
    await before.frame("acked", ({ ackedOffset }) => ackedOffset === 2n);
    await before.leave();
    const after = open("young", "bc", migrate);
    const { migratedFrom } = await after.frame("opened");
    expect(migratedFrom).not.toBe("");
    expect(await after.frame("gap")).toMatchObject({
      what: { case: "missed" },
      reason: expect.stringContaining("another config") as string,
    });
    await publish("young", "bca", 3);
    expect(await received(after, 2)).toEqual(["b3", "c4"]);
    await after.leave();
  });

  test("is refused while events are parked: their offsets belong to the log it leaves", async () => {
    const before = open("parks", "a");
    await before.frame("caughtUp");
    await publish("parks", "a");
    await before.received(1);
    before.park({ offset: 1n, reason: "broken", attempts: 1 });
    await before.frame("acked");
    await before.leave();
    expect(await open("parks", "ab", migrate).ended()).toMatchObject(mismatch("1 parked events"));
    await admin.discardParked({ consumer: "parks", all: true });
    const after = open("parks", "ab", migrate);
    await after.frame("caughtUp");
    // What was refused has recorded nothing.
    expect(after.all("gap")).toHaveLength(1);
    await after.leave();
  });

  test("W6: while the name has a session under the old config, STANDBY waits for its end, REJECT fails, TAKE_OVER ends it", async () => {
    const holder = open("held", "a");
    await holder.frame("caughtUp");
    const waits = open("held", "ab", migrate);
    await waits.frame("standby");
    expect(await open("held", "ab", { ...migrate, onConflict: OnConflict.REJECT }).ended()).toMatchObject({ code: Code.AlreadyExists });
    await holder.leave();
    await waits.frame("caughtUp");
    const taker = open("held", "abc", { ...migrate, onConflict: OnConflict.TAKE_OVER });
    await taker.frame("caughtUp");
    expect(await waits.ended()).toMatchObject({ code: Code.Aborted });
    expect((await admin.getConsumer({ consumer: "held" })).consumer).toMatchObject({
      config: { patterns: ["held.a", "held.b", "held.c"] },
    });
    await taker.leave();
  });

  test("the SDK migrates when it is told to, says from where, and goes on after a reconnect", async () => {
    const subscriber = createSubscriber({ brokerUrl: url });
    const first = subscriber.subscribe({ consumer: "sdk", patterns: ["sdk.a"] });
    await vi.waitFor(() => expect(first.current.kind).toBe("caughtUp"));
    await first.close();
    const second = subscriber.subscribe({ consumer: "sdk", patterns: ["sdk.#"], onConfigChange: "migrate" });
    const connected = (async () => {
      for await (const status of second.status()) if (status.kind === "connected") return status;
      return undefined;
    })();
    expect((await connected)?.migratedFrom).toMatch(/^[0-9a-f]{32}$/);
    const seen: string[] = [];
    const running = second.run(({ id }) => void seen.push(id));
    await publish("sdk", "ab");
    await vi.waitFor(() => expect(second.ackedOffset).toBe(2n));
    await admin.seekConsumer({ consumer: "sdk", to: { start: { case: "afterOffset", value: 1n } } });
    await vi.waitFor(() => expect(seen).toEqual(["a1", "b2", "b2"]));
    await subscriber.close();
    await running;
  });
});
