import { Code } from "@connectrpc/connect";
import { createSubscriber, isWarrenError, type SubscriptionStatus } from "@warren/client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { adminOf, caughtUp, receiverOf, storeOneByOne } from "./testing/operator.ts";
import { RawSession } from "./testing/raw-session.ts";

describe("retention", () => {
  let deployment: Deployment;
  let url = "";
  let admin: ReturnType<typeof adminOf>;
  beforeAll(async () => {
    deployment = await deploy({ upkeepMs: 100 });
    ({ url } = await deployment.start());
    admin = adminOf(url);
  });
  afterAll(() => deployment.close());

  const store = (name: string, count: number) =>
    storeOneByOne({ brokerUrl: url, exchange: deployment.exchange }, { pattern: `${name}.#`, type: `${name}.x` }, count);
  /** A consumer that acked the first of ten events, and sleeps. */
  async function sleeperOf(name: string): Promise<string> {
    const subscription = await caughtUp(url, { consumer: `${name}-sleeper`, patterns: [`${name}.#`] });
    await store(name, 1);
    for await (const event of subscription) {
      event.ack();
      await vi.waitFor(() => expect(subscription.ackedOffset).toBe(1n), { timeout: 10_000 });
      break;
    }
    await store(name, 9);
    return (await receiverOf(url, `${name}.#`)).receiverKey;
  }
  /** Bytes for three of the events and no fourth. */
  const aboutThree = 3_900n;
  const pruned = (receiverKey: string) =>
    vi.waitFor(
      async () => {
        const { receiver } = await admin.getReceiver({ receiverKey });
        expect(receiver?.oldestOffset).toBe(8n);
        return receiver;
      },
      { timeout: 10_000 },
    );

  test("a sleeper meets a pruned gap, is told, goes on after it, and is done with it", async () => {
    const receiverKey = await sleeperOf("jump");
    await admin.setRetention({ receiverKey, retention: { maxBytes: aboutThree, noHold: true } });
    await pruned(receiverKey);
    const subscription = createSubscriber({ brokerUrl: url }).subscribe({ consumer: "jump-sleeper", patterns: ["jump.#"] });
    const told: SubscriptionStatus[] = [];
    const telling = (async () => {
      for await (const status of subscription.status()) if (status.kind === "gap") told.push(status);
    })();
    const seen: bigint[] = [];
    const running = subscription.run(({ offset }) => void seen.push(offset));
    await vi.waitFor(() => expect(subscription.ackedOffset).toBe(10n), { timeout: 10_000 });
    await subscription.close();
    await Promise.all([running, telling]);
    expect(seen).toEqual([8n, 9n, 10n]);
    expect(told).toMatchObject([{ firstOffset: 2n, lastOffset: 7n, reason: "retention: events are kept at most 3900 bytes" }]);
    expect((await admin.getConsumer({ consumer: "jump-sleeper" })).consumer).toMatchObject({ ackedOffset: 10n, lag: 0n, settled: [] });
  });

  test("a sleeper that fails at gaps ends with GAP_MET before anything after it, stays before it, and goes on when it jumps", async () => {
    const receiverKey = await sleeperOf("fail");
    await admin.setRetention({ receiverKey, retention: { maxBytes: aboutThree, noHold: true } });
    await pruned(receiverKey);
    const options = { consumer: "fail-sleeper", patterns: ["fail.#"] };
    for (const attempt of [1, 2]) {
      const seen: bigint[] = [];
      const failing = createSubscriber({ brokerUrl: url }).subscribe({ ...options, onGap: "fail" });
      await expect(failing.run(({ offset }) => void seen.push(offset))).rejects.toSatisfy((error) => isWarrenError(error, "GAP_MET"));
      expect([attempt, failing.current.kind, seen]).toEqual([attempt, "closed", []]);
    }
    expect((await admin.getConsumer({ consumer: "fail-sleeper" })).consumer).toMatchObject({ ackedOffset: 1n });
    const raw = new RawSession(url, { consumer: "fail-sleeper", receiver: { patterns: ["fail.#"] }, onGap: 2 });
    expect(await raw.ended()).toMatchObject({ code: Code.DataLoss, rawMessage: expect.stringContaining("offsets 2 to 7") as string });
    const jumping = createSubscriber({ brokerUrl: url }).subscribe(options);
    const seen: bigint[] = [];
    const running = jumping.run(({ offset }) => void seen.push(offset));
    await vi.waitFor(() => expect(jumping.ackedOffset).toBe(10n), { timeout: 10_000 });
    await jumping.close();
    await running;
    expect(seen).toEqual([8n, 9n, 10n]);
  });

  test("a sleeper holds the log and is named; a dry run says who would lose what; a log that is not held goes", async () => {
    const receiverKey = await sleeperOf("hold");
    const lossy = { retention: { maxBytes: aboutThree, noHold: true } };
    const dry = await admin.setRetention({ receiverKey, ...lossy, dryRun: true });
    expect(dry).toMatchObject({
      events: 7n,
      consumers: [{ consumer: "hold-sleeper", ackedOffset: 1n, asleep: true, holdsEvents: 0n, losesEvents: 6n }],
    });
    expect(dry.receiver?.retention).toBeUndefined();
    const held = await admin.setRetention({ receiverKey, retention: { maxBytes: aboutThree } });
    expect(held).toMatchObject({ events: 1n, consumers: [{ consumer: "hold-sleeper", holdsEvents: 6n, losesEvents: 0n }] });
    const kept = await vi.waitFor(
      async () => {
        const { receiver } = await admin.getReceiver({ receiverKey });
        expect(receiver).toMatchObject({ oldestOffset: 2n, heldBy: ["hold-sleeper"], heldFromOffset: 2n });
        return receiver;
      },
      { timeout: 10_000 },
    );
    expect(kept?.keptBytes).toBeGreaterThan(9_000n);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(new RegExp(`^warren_receiver_held_from_offset\\{receiver="${receiverKey}"\\} 2$`, "m"));
    expect(metrics).toMatch(new RegExp(`^warren_receiver_queue_depth\\{receiver="${receiverKey}"\\} 0$`, "m"));
    await admin.setRetention({ receiverKey, ...lossy });
    expect(await pruned(receiverKey)).toMatchObject({ heldBy: [], heldFromOffset: 0n });
    // What starts below it is refused, and the oldest is named.
    const below = new RawSession(url, { receiver: { patterns: ["hold.#"] }, start: { start: { case: "afterOffset", value: 3n } } });
    expect(await below.ended()).toMatchObject({
      code: Code.OutOfRange,
      rawMessage: expect.stringContaining("the oldest kept is 8") as string,
    });
  });

  test("events go when every consumer has them, and a live one reads on undisturbed", async () => {
    const receiverKey = await sleeperOf("acked");
    await admin.setRetention({ receiverKey, retention: { untilAcked: true } });
    const quick = await caughtUp(url, { consumer: "acked-quick", patterns: ["acked.#"] });
    const seen: bigint[] = [];
    const running = quick.run(({ offset }) => void seen.push(offset));
    await store("acked", 2);
    await vi.waitFor(() => expect(quick.ackedOffset).toBe(12n), { timeout: 10_000 });
    await vi.waitFor(
      async () =>
        expect((await admin.getReceiver({ receiverKey })).receiver).toMatchObject({ oldestOffset: 2n, heldBy: ["acked-sleeper"] }),
      { timeout: 10_000 },
    );
    await admin.deleteConsumer({ consumer: "acked-sleeper" });
    // The newest segment stays.
    await vi.waitFor(
      async () => expect((await admin.getReceiver({ receiverKey })).receiver).toMatchObject({ oldestOffset: 12n, heldBy: [] }),
      {
        timeout: 10_000,
      },
    );
    await store("acked", 1);
    await vi.waitFor(() => expect(seen).toEqual([11n, 12n, 13n]), { timeout: 10_000 });
    await quick.close();
    await running;
  });

  test("a retention outlives the broker, and makes no sense below a second or zero bytes", async () => {
    const own = await deploy({ upkeepMs: 100 });
    const first = await own.start();
    await (await caughtUp(first.url, { consumer: "keeper", patterns: ["#"] })).close();
    const { receiverKey } = await receiverOf(first.url, "#");
    const retention = { maxAge: { seconds: 604_800n, nanos: 0 }, maxBytes: 1_000_000_000n, untilAcked: true, noHold: true };
    await adminOf(first.url).setRetention({ receiverKey, retention });
    for (const wrong of [{ maxAge: { seconds: 0n, nanos: 5_000_000 } }, { maxAge: { seconds: -1n, nanos: 0 } }, { maxBytes: -1n }]) {
      await expect(adminOf(first.url).setRetention({ receiverKey, retention: wrong })).rejects.toMatchObject({
        code: Code.InvalidArgument,
      });
    }
    await expect(adminOf(first.url).setRetention({ receiverKey: "nobody" })).rejects.toMatchObject({ code: Code.NotFound });
    await first.drop();
    const second = await own.start();
    expect((await receiverOf(second.url, "#")).retention).toMatchObject(retention);
    await adminOf(second.url).setRetention({ receiverKey });
    expect((await receiverOf(second.url, "#")).retention).toBeUndefined();
    await own.close();
  });
});
