import { Code } from "@connectrpc/connect";
import { createPublisher, createSubscriber, isWarrenError } from "@warren/client";
import { OnGap } from "@warren/protocol/v1";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { adminOf, caughtUp, receiverOf } from "./testing/operator.ts";
import { partsOf } from "./testing/parts.ts";
import { RawSession } from "./testing/raw-session.ts";

const second = { seconds: 1n, nanos: 0 };
const long = { timeout: 20_000 };

describe("lifetimes", () => {
  let deployment: Deployment;
  let parts: ReturnType<typeof partsOf>;
  beforeAll(async () => {
    deployment = await deploy({ upkeepMs: 100 });
    parts = partsOf(deployment);
  });
  afterAll(async () => {
    await deployment.close();
    await parts.close();
  });

  async function publish(type: string, exchange = deployment.exchange): Promise<void> {
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange });
    await publisher.publish({ type, source: "/s" });
  }

  test("a consumer that sleeps for longer than it may is forgotten; its name begins anew; one that is awake stays, over a crash too", async () => {
    const broker = await deployment.start();
    const patterns = ["expire.#"];
    const sleeper = await caughtUp(broker.url, { consumer: "expire-sleeper", patterns, expireAfterMs: 1_000 });
    const awake = await caughtUp(broker.url, { consumer: "expire-awake", patterns, expireAfterMs: 1_000 });
    const crashed = await caughtUp(broker.url, { consumer: "expire-crashed", patterns, expireAfterMs: 3_600_000 });
    const admin = adminOf(broker.url);
    expect((await admin.getConsumer({ consumer: "expire-sleeper" })).consumer?.expireAfter).toMatchObject(second);
    await sleeper.close();
    await vi.waitFor(
      async () => expect((await admin.listConsumers({})).consumers.map(({ name }) => name)).toEqual(["expire-awake", "expire-crashed"]),
      long,
    );
    expect(await parts.state.consumer("expire-sleeper")).toBeUndefined();
    const again = new RawSession(broker.url, { consumer: "expire-sleeper", receiver: { patterns } });
    expect(await again.frame("opened")).toMatchObject({ resumed: false });
    expect(await (await fetch(`${broker.url}/metrics`)).text()).toMatch(/^warren_consumers_expired_total 1$/m);
    await again.leave();

    // The broker dies while these are awake: they sleep from when it is back.
    await broker.drop();
    await Promise.all([awake.close(), crashed.close()]);
    const next = await deployment.start();
    await vi.waitFor(
      async () =>
        expect((await adminOf(next.url).listConsumers({})).consumers.map(({ name }) => name)).toEqual(["expire-crashed", "expire-sleeper"]),
      long,
    );
    await next.drop();
  });

  test("an operator changes when a consumer is forgotten", async () => {
    const broker = await deployment.start();
    const admin = adminOf(broker.url);
    await (await caughtUp(broker.url, { consumer: "update", patterns: ["update.#"] })).close();
    expect((await admin.getConsumer({ consumer: "update" })).consumer?.expireAfter).toBeUndefined();
    const never = await admin.updateConsumer({ consumer: "update", expireAfter: { seconds: 3_600n } });
    expect(never.consumer?.expireAfter).toMatchObject({ seconds: 3_600n });
    expect((await admin.updateConsumer({ consumer: "update" })).consumer?.expireAfter).toBeUndefined();
    const tooShort = admin.updateConsumer({ consumer: "update", expireAfter: { seconds: 0n } });
    await expect(tooShort).rejects.toMatchObject({ code: Code.InvalidArgument });
    await expect(admin.updateConsumer({ consumer: "nobody" })).rejects.toMatchObject({ code: Code.NotFound });
    await admin.updateConsumer({ consumer: "update", expireAfter: second });
    await vi.waitFor(async () => expect((await admin.listConsumers({})).consumers.map(({ name }) => name)).not.toContain("update"), long);
    await broker.drop();
  });

  test("W13: a receiver that nobody uses is retired, queue, log and row, and made anew for who comes then", async () => {
    const own = await deploy({ upkeepMs: 100 });
    const mine = partsOf(own);
    const broker = await own.start({ retireAfterMs: 1_000 });
    const admin = adminOf(broker.url);
    const used = await caughtUp(broker.url, { patterns: ["used.#"] });
    await (await caughtUp(broker.url, { consumer: "sleeps", patterns: ["asleep.#"] })).close();
    await (await caughtUp(broker.url, { consumer: "goes", patterns: ["unused.#"] })).close();
    await publish("unused.x", own.exchange);
    const unused = await receiverOf(broker.url, "unused.#");
    const { receivers } = await mine.state.load();
    const receiverId = receivers.find(({ configKey }) => configKey === unused.receiverKey)?.receiverId ?? 0n;
    await admin.deleteConsumer({ consumer: "goes" });
    await vi.waitFor(
      async () =>
        expect((await admin.listReceivers({})).receivers.map(({ config }) => config?.patterns[0])).toEqual(["used.#", "asleep.#"]),
      long,
    );
    // Who comes at this very moment waits, and is served by a new one.
    const again = new RawSession(broker.url, { consumer: "goes", receiver: { patterns: ["unused.#"] } });
    const opened = await again.frame("opened");
    expect(opened).toMatchObject({ resumed: false, afterOffset: 0n, headOffset: 0n });
    expect(opened.logId).not.toBe(unused.logId);
    await expect(mine.log.status(receiverId)).rejects.toSatisfy((error) => isWarrenError(error, "NOT_FOUND"));
    await publish("unused.y", own.exchange);
    expect(await again.received(1)).toEqual([1n]);
    expect(used.current.kind).toBe("caughtUp");
    await again.leave();
    await used.close();
    await own.close();
    await mine.close();
  });

  test("W13: a receiver is deleted by hand only when it has no consumers; a dry run deletes nothing", async () => {
    const broker = await deployment.start();
    const admin = adminOf(broker.url);
    const session = new RawSession(broker.url, { consumer: "rm", receiver: { patterns: ["rm.#"] } });
    await session.frame("caughtUp");
    const { receiverKey, queue } = await receiverOf(broker.url, "rm.#");
    const inUse = { code: Code.FailedPrecondition, rawMessage: expect.stringContaining("has consumers") as string };
    await expect(admin.deleteReceiver({ receiverKey })).rejects.toMatchObject(inUse);
    await session.leave();
    await expect(admin.deleteReceiver({ receiverKey, dryRun: true })).rejects.toMatchObject(inUse);
    await admin.deleteConsumer({ consumer: "rm" });
    const ephemeral = new RawSession(broker.url, { receiver: { patterns: ["rm.#"] } });
    await ephemeral.frame("caughtUp");
    await expect(admin.deleteReceiver({ receiverKey })).rejects.toMatchObject(inUse);
    await ephemeral.leave();
    const dry = await vi.waitFor(() => admin.deleteReceiver({ receiverKey, dryRun: true }), long);
    expect(dry.receiver).toMatchObject({ receiverKey, queue });
    expect(await parts.transport.queueDepth(queue)).toBe(0);
    await admin.deleteReceiver({ receiverKey });
    expect(await parts.transport.queueDepth(queue)).toBeUndefined();
    await expect(admin.deleteReceiver({ receiverKey })).rejects.toMatchObject({ code: Code.NotFound });
    expect((await admin.listReceivers({})).receivers.map((each) => each.receiverKey)).not.toContain(receiverKey);
    await broker.drop();
  });

  const cuts = [
    ["it was said", 0],
    ["the queue was deleted", 1],
    ["the log was dropped", 2],
  ] as const;
  for (const [what, steps] of cuts) {
    test(`W13: a retirement that a crash cut short after ${what} ends at the next start, and opens wait for it`, async () => {
      const name = `cut${steps}`;
      const first = await deployment.start();
      await (await caughtUp(first.url, { consumer: name, patterns: [`${name}.#`] })).close();
      await publish(`${name}.x`);
      const before = await receiverOf(first.url, `${name}.#`);
      await adminOf(first.url).deleteConsumer({ consumer: name });
      await first.drop();
      const { receivers } = await parts.state.load();
      const { receiverId = 0n } = receivers.find(({ configKey }) => configKey === before.receiverKey) ?? {};
      expect(await parts.state.retire(receiverId, 0)).toBe(true);
      if (steps > 0) await vi.waitFor(async () => expect(await parts.transport.deleteQueue(before.queue)).toBe(true), long);
      if (steps > 1) while (!(await parts.log.drop(receiverId)));
      const next = await deployment.start();
      const session = new RawSession(next.url, { consumer: name, receiver: { patterns: [`${name}.#`] } });
      const opened = await session.frame("opened");
      expect(opened).toMatchObject({ resumed: false, headOffset: 0n });
      expect(opened.logId).not.toBe(before.logId);
      await expect(parts.log.status(receiverId)).rejects.toSatisfy((error) => isWarrenError(error, "NOT_FOUND"));
      await publish(`${name}.y`);
      expect(await session.received(1)).toEqual([1n]);
      await session.leave();
      await next.drop();
    });
  }

  test("W13: a receiver that another broker retired is made anew for who opens it", async () => {
    const broker = await deployment.start();
    await (await caughtUp(broker.url, { consumer: "elsewhere", patterns: ["elsewhere.#"] })).close();
    const before = await receiverOf(broker.url, "elsewhere.#");
    await adminOf(broker.url).deleteConsumer({ consumer: "elsewhere" });
    const { receivers } = await parts.state.load();
    const { receiverId = 0n } = receivers.find(({ configKey }) => configKey === before.receiverKey) ?? {};
    expect(await parts.state.retire(receiverId, 0)).toBe(true);
    const again = await caughtUp(broker.url, { consumer: "elsewhere", patterns: ["elsewhere.#"] });
    expect((await receiverOf(broker.url, "elsewhere.#")).logId).not.toBe(before.logId);
    const taken = again[Symbol.asyncIterator]().next();
    await publish("elsewhere.x");
    expect(await taken).toMatchObject({ value: { offset: 1n, type: "elsewhere.x" } });
    await again.close();
    await broker.drop();
  });

  test("a name whose first open failed is no consumer, and keeps no receiver", async () => {
    const broker = await deployment.start();
    const admin = adminOf(broker.url);
    await (await caughtUp(broker.url, { consumer: "first", patterns: ["failed.#"] })).close();
    const start = { start: { case: "afterOffset" as const, value: 9n } };
    const failing = new RawSession(broker.url, { consumer: "failed", receiver: { patterns: ["failed.#"] }, start });
    expect(await failing.ended()).toMatchObject({ code: Code.OutOfRange });
    await vi.waitFor(async () => expect((await admin.listConsumers({})).consumers.map(({ name }) => name)).not.toContain("failed"), long);
    await admin.deleteConsumer({ consumer: "first" });
    await admin.deleteReceiver({ receiverKey: (await receiverOf(broker.url, "failed.#")).receiverKey });
    await broker.drop();
  });

  test("W9: a queue that was deleted while the broker was down is recorded and made again; who fails at gaps fails, who jumps is told", async () => {
    const first = await deployment.start();
    const options = { consumer: "down", patterns: ["down.#"] };
    await (await caughtUp(first.url, options)).close();
    const { queue } = await receiverOf(first.url, "down.#");
    await first.drop();
    await vi.waitFor(async () => expect(await parts.transport.deleteQueue(queue)).toBe(true), long);
    await publish("down.lost");
    const next = await deployment.start();
    await vi.waitFor(async () => expect((await receiverOf(next.url, "down.#")).consuming).toBe(true), long);
    await publish("down.x");
    const seen: string[] = [];
    const failing = createSubscriber({ brokerUrl: next.url }).subscribe({ ...options, onGap: "fail" });
    await expect(failing.run(({ type }) => void seen.push(type))).rejects.toSatisfy((error) => isWarrenError(error, "GAP_MET"));
    expect(seen).toEqual([]);
    expect((await adminOf(next.url).getConsumer({ consumer: "down" })).consumer?.ackedOffset).toBe(0n);
    const jumping = new RawSession(next.url, { consumer: "down", receiver: { patterns: ["down.#"] }, onGap: OnGap.JUMP });
    expect(await jumping.frame("gap")).toMatchObject({ what: { case: "missed", value: { afterOffset: 0n } } });
    expect(await jumping.received(1)).toEqual([1n]);
    expect(jumping.events.map(({ type }) => type)).toEqual(["down.x"]);
    await jumping.leave();
    await next.drop();
  });
});
