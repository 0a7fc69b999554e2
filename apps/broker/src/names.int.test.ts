import { createPublisher, createSubscriber, type Subscription, type SubscriptionOptions } from "@warren/client";
import { Times } from "@warren/protocol";
import { OnConflict } from "@warren/protocol/v1";
import { startFaultProxy } from "@warren/test-servers";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { RawSession } from "./testing/raw-session.ts";
import { Recorder } from "./testing/recorder.ts";

async function reached(subscription: Subscription, kind: string): Promise<void> {
  if (subscription.current.kind === kind) return;
  for await (const status of subscription.status()) if (status.kind === kind) return;
}

describe("programs that want one name", () => {
  let deployment: Deployment;
  let url = "";
  beforeAll(async () => {
    deployment = await deploy();
    ({ url } = await deployment.start());
  });
  afterAll(() => deployment.close());

  const subscribe = (consumer: string, more: Partial<SubscriptionOptions> = {}, brokerUrl = url): Subscription =>
    createSubscriber({ brokerUrl }).subscribe({ consumer, patterns: [`${consumer}.#`], ...more });
  /** Publishes `name.x` until stopped; the receiver is there before. Returns what stops it, and then how many there are. */
  async function flow(name: string): Promise<() => Promise<number>> {
    const watch = createSubscriber({ brokerUrl: url }).subscribe({ patterns: [`${name}.#`] });
    await reached(watch, "caughtUp");
    await watch.close();
    const type = `${name}.x`;
    const publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    const stopped = new AbortController();
    let count = 0;
    const publishing = (async () => {
      while (!stopped.signal.aborted) {
        const events = Array.from({ length: 20 }, () => ({ type, source: "/s", id: `${(count += 1)}`, data: "x" }));
        await publisher.publishAll(events);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await publisher.drain();
      return count;
    })();
    return () => {
      stopped.abort();
      return publishing;
    };
  }
  const numbers = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `${i + 1}`);

  test("W6: TAKE_OVER does not wait for TCP: the holder's connection is dead and nobody knows", async () => {
    const proxy = await startFaultProxy({ host: "127.0.0.1", port: Number(new URL(url).port) });
    const holder = subscribe("dark", {}, `http://127.0.0.1:${proxy.port}`);
    await reached(holder, "caughtUp");
    proxy.blackhole();
    const began = performance.now();
    const next = subscribe("dark", { onConflict: "take-over" });
    await reached(next, "caughtUp");
    expect(performance.now() - began).toBeLessThan(Times.http2PingMs);
    // The holder finds the broker gone by its pings; it may come back, and waits then.
    await reached(holder, "disconnected");
    proxy.resume();
    await reached(holder, "standby");
    await next.close();
    await reached(holder, "caughtUp");
    await holder.close();
    await proxy.close();
  });

  test("W6: of 50 programs that open one name at once one has it, each other one stands by or is told, and the history is exact", async () => {
    const recorder = new Recorder();
    const stop = await flow("fifty");
    const ways = ["take-over", "standby", "reject"] as const;
    const programs = Array.from({ length: 50 }, (_, i) => subscribe("fifty", { onConflict: ways[i % ways.length], start: "earliest" }));
    // Sessions of one name overlap in time as seen from here: each is a session of its own to the recorder.
    const ended = programs.map((program) => recorder.follow(program));
    await vi.waitFor(
      () => {
        const kinds = programs.map(({ current }) => current.kind);
        expect(kinds.filter((kind) => kind === "connecting" || kind === "disconnected")).toEqual([]);
        expect(kinds.filter((kind) => !["standby", "superseded", "closed"].includes(kind))).toHaveLength(1);
      },
      { timeout: 20_000 },
    );
    const standby = programs.filter(({ current }) => current.kind === "standby");
    // The holder goes, then the next one, and so on; nobody comes back.
    for (let i = 0; i < 3; i += 1) {
      const holder = programs.find(({ current }) => !["standby", "superseded", "closed"].includes(current.kind));
      await holder?.close();
      await vi.waitFor(() =>
        expect(programs.filter(({ current }) => !["standby", "superseded", "closed"].includes(current.kind))).toHaveLength(1),
      );
    }
    const count = await stop();
    await vi.waitFor(() => expect(recorder.count).toBe(count), { timeout: 20_000 });
    await Promise.all(programs.map((program) => program.close()));
    const codes = await Promise.all(ended);
    expect(standby.length).toBeGreaterThan(10);
    expect(new Set(codes)).toEqual(new Set([undefined, "TAKEN_OVER", "CONSUMER_BUSY"]));
    expect(recorder.faults).toEqual([]);
    expect(recorder.ids).toEqual(numbers(count));
  });

  test("W6: programs that are started again whenever they are taken over cannot fight faster than the interval, and the history is exact", async () => {
    const recorder = new Recorder();
    const stop = await flow("fight");
    const began = performance.now();
    const fought = new AbortController();
    const last: Subscription[] = [];
    // Whoever starts them again has no patience at all.
    const programs = Array.from({ length: 2 }, async () => {
      while (!fought.signal.aborted) {
        const program = subscribe("fight", { onConflict: "take-over", start: "earliest" });
        last.push(program);
        const code = await recorder.follow(program);
        if (code !== undefined && code !== "TAKEN_OVER") throw new Error(code);
      }
    });
    await vi.waitFor(() => expect(recorder.sessions).toBeGreaterThan(12), { timeout: 20_000, interval: 20 });
    const [sessions, tookMs] = [recorder.sessions, performance.now() - began];
    expect(sessions).toBeLessThan(4 + tookMs / Times.takeOverMs);
    const count = await stop();
    fought.abort();
    await vi.waitFor(() => expect(recorder.count).toBe(count), { timeout: 20_000 });
    await Promise.all(last.map((program) => program.close()));
    await Promise.all(programs);
    expect(recorder.faults).toEqual([]);
    expect(recorder.ids).toEqual(numbers(count));
  });

  test("a subscriber that reconnects 50 times in the flow, without a word, gets an exact history", async () => {
    const recorder = new Recorder();
    const stop = await flow("flap");
    const open = {
      consumer: "flap",
      receiver: { patterns: ["flap.#"] },
      start: { start: { case: "earliest" as const, value: {} } },
      instanceId: "one program",
    };
    let handled = 0n;
    for (let i = 0; i < 50; i += 1) {
      const note = recorder.session();
      const session = new RawSession(url, open);
      await session.received(5 + (i % 7) * 10);
      const events = session.events;
      for (const event of events) note(event);
      const last = events.at(-1)?.offset ?? 0n;
      // Sometimes all, sometimes only some of it is acked, and whether that was saved is not always waited for.
      handled = i % 3 === 0 ? last : last - 3n;
      session.ack({ upToOffset: handled });
      if (i % 2 === 0) recorder.saved((await session.frame("acked", ({ ackedOffset }) => ackedOffset >= handled)).ackedOffset);
      await session.leave();
    }
    const count = await stop();
    const note = recorder.session();
    const session = new RawSession(url, { ...open, onConflict: OnConflict.TAKE_OVER, maxInFlight: 10_000 });
    await session.frame("caughtUp", ({ offset }) => offset === BigInt(count));
    for (const event of session.events) note(event);
    await session.leave();
    expect(recorder.faults).toEqual([]);
    expect(recorder.ids).toEqual(numbers(count));
  });
});
