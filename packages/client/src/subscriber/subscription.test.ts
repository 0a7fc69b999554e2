import { create, toBinary } from "@bufbuild/protobuf";
import { systemClock, Times, type Clock, type Settled } from "@warren/protocol";
import { EventBatchSchema, FrameSchema, type Frame } from "@warren/protocol/v1";
import { describe, expect, test } from "vitest";
import { subscriberOn } from "./subscriber.ts";

/** A broker of which one session is open, with so many events from offset 1. */
class OneBatch {
  readonly acks: Settled[] = [];
  #end: () => void = () => undefined;
  readonly subscriber;

  constructor(count: number, clock: Clock = systemClock) {
    this.subscriber = subscriberOn({
      clock,
      random: () => 0,
      newInstanceId: () => "me",
      defer: setImmediate,
      open: (_, signal) => {
        const ended = new Promise<void>((resolve) => (this.#end = resolve));
        signal.addEventListener("abort", () => this.#end(), { once: true });
        const nothing = (): void => undefined;
        const ack = (settled: Settled): void => void this.acks.push(settled);
        return { responses: this.#frames(count, ended), ack, ackSide: nothing, park: nothing, ping: nothing, end: () => this.#end() };
      },
    });
  }

  async *#frames(count: number, ended: Promise<void>): AsyncGenerator<Frame> {
    yield create(FrameSchema, { frame: { case: "opened", value: { sessionToken: 1n, logId: "log", headOffset: BigInt(count) } } });
    const events = Array.from({ length: count }, (_, i) => ({ id: String(i + 1), source: "/s", type: "a" }));
    const batch = toBinary(EventBatchSchema, create(EventBatchSchema, { firstOffset: 1n, events }));
    yield create(FrameSchema, { frame: { case: "batch", value: batch } });
    await ended;
  }

  subscribe(maxInFlight?: number) {
    return this.subscriber.subscribe({ consumer: "c", patterns: ["#"], maxInFlight });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a subscription", () => {
  test("tells what was acked in one turn of the event loop as one ack, when the turn ends", async () => {
    const broker = new OneBatch(500);
    const ids: string[] = [];
    for await (const event of broker.subscribe()) {
      ids.push(event.id);
      event.ack();
      if (ids.length === 499) break;
    }
    expect(ids).toEqual(Array.from({ length: 499 }, (_, i) => String(i + 1)));
    expect(broker.acks).toEqual([{ mark: 499n, ranges: [] }]);
  });

  test("acks few events together after a while, for the broker does not wait for them yet", async () => {
    const due: { readonly ms: number; readonly run: () => void }[] = [];
    const clock = { ...systemClock, after: (ms: number, run: () => void) => (due.push({ ms, run }), { cancel: () => undefined }) };
    const broker = new OneBatch(3, clock);
    const subscription = broker.subscribe();
    const events = subscription[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i += 1) {
      (await events.next()).value?.ack();
      await turn();
    }
    expect(broker.acks).toEqual([]);
    const mine = due.filter(({ ms }) => ms === Times.ackDelayMs);
    expect(mine).toHaveLength(1);
    mine[0]?.run();
    expect(broker.acks).toEqual([{ mark: 3n, ranges: [] }]);
    await subscription.close();
  });

  test("acks an event alone when the broker may wait for it, in any order, and twice is fine", async () => {
    const broker = new OneBatch(3);
    const subscription = broker.subscribe(8);
    const events = subscription[Symbol.asyncIterator]();
    const [one, two, three] = [await events.next(), await events.next(), await events.next()].map(({ value }) => value);
    const { ack } = three ?? {};
    ack?.();
    await turn();
    expect(broker.acks).toEqual([{ mark: 0n, ranges: [{ first: 3n, last: 3n }] }]);
    one?.ack();
    one?.ack();
    two?.ack();
    await turn();
    expect(broker.acks.slice(1)).toEqual([{ mark: 3n, ranges: [] }]);
    await subscription.close();
  });

  test("tells what was acked before it closes", async () => {
    const broker = new OneBatch(2);
    const subscription = broker.subscribe();
    const { value } = await subscription[Symbol.asyncIterator]().next();
    value?.ack();
    await subscription.close();
    expect(broker.acks).toEqual([{ mark: 1n, ranges: [] }]);
  });

  test.each([
    ["one after another, without a promise", () => undefined, 1],
    ["one after another", () => Promise.resolve(), 1],
    ["beside each other", () => Promise.resolve(), 8],
  ])("runs handlers %s, and acks all", async (_, result, concurrency) => {
    const broker = new OneBatch(200);
    const stop = new AbortController();
    const ids = new Set<string>();
    const handler = (event: { readonly id: string }): unknown => {
      ids.add(event.id);
      if (ids.size === 200) setImmediate(() => stop.abort());
      return result();
    };
    await broker.subscribe().run(handler, { concurrency, signal: stop.signal });
    expect(ids.size).toBe(200);
    expect(broker.acks.at(-1)).toEqual({ mark: 200n, ranges: [] });
    expect(broker.acks.length).toBeLessThan(5);
  });

  test("ends a run with a handler's last failure, what was done before acked", async () => {
    const broker = new OneBatch(3);
    const handler = ({ id }: { readonly id: string }): void => {
      if (id === "2") throw new Error("broken");
    };
    const run = broker.subscribe().run(handler, { retries: 1, backoff: { minMs: 0, maxMs: 0 }, onFailure: "stop" });
    await expect(run).rejects.toMatchObject({ code: "HANDLER_FAILED" });
    expect(broker.acks).toEqual([{ mark: 1n, ranges: [] }]);
  });
});
