import { create } from "@bufbuild/protobuf";
import { Times, type Clock } from "@warren/protocol";
import { FrameSchema, type Frame } from "@warren/protocol/v1";
import { describe, expect, test, vi } from "vitest";
import { subscriberOn } from "./subscriber.ts";

/** A clock that runs its timers when it is told to. */
class ManualClock implements Clock {
  #now = 0;
  #timers: { readonly at: number; readonly run: () => void }[] = [];

  monotonicMs = (): number => this.#now;
  wallMs = (): number => this.#now;

  after(delayMs: number, run: () => void) {
    const timer = { at: this.#now + delayMs, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((each) => each !== timer)) };
  }

  get waiting(): number {
    return this.#timers.length;
  }

  pass(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
  }
}

/** A broker of which only what is given comes: streams are open, and their peers answer pings. */
class SilentBroker {
  opens = 0;
  #give: (response: Frame) => void = () => undefined;
  readonly clock = new ManualClock();
  readonly subscriber = subscriberOn({
    clock: this.clock,
    random: () => 0,
    newInstanceId: () => "me",
    defer: queueMicrotask,
    open: (_, signal) => {
      this.opens += 1;
      const nothing = (): void => undefined;
      return { responses: this.#responses(signal), ack: nothing, ackSide: nothing, park: nothing, ping: nothing, end: (abort) => abort() };
    },
  });

  give(kind: "heartbeat" | "standby"): void {
    this.#give(create(FrameSchema, { frame: { case: kind, value: {} } }));
  }

  async *#responses(signal: AbortSignal): AsyncGenerator<Frame> {
    for (;;) {
      yield await new Promise<Frame>((resolve, reject) => {
        this.#give = resolve;
        signal.addEventListener("abort", () => reject(new Error("canceled")), { once: true });
      });
    }
  }
}

describe("a subscriber's watchdog", () => {
  test("drops a stream on which nothing comes for three heartbeats, says so, and opens again", async () => {
    const broker = new SilentBroker();
    const subscription = broker.subscriber.subscribe({ consumer: "c", patterns: ["#"] });
    await vi.waitFor(() => expect(broker.opens).toBe(1));
    broker.clock.pass(Times.subscriberWatchdogMs - 1);
    await Promise.resolve();
    expect(subscription.current.kind).toBe("connecting");
    broker.clock.pass(1);
    await vi.waitFor(() => expect(subscription.current).toMatchObject({ kind: "disconnected", code: "TRANSPORT_UNAVAILABLE" }));
    expect(subscription.current).toMatchObject({ message: "the broker has said nothing for three heartbeats" });
    broker.clock.pass(Times.backoffMaxMs);
    await vi.waitFor(() => expect(broker.opens).toBe(2));
    await subscription.close();
  });

  test("every frame keeps the stream: heartbeats, and that it stands by, which is told once", async () => {
    const broker = new SilentBroker();
    const subscription = broker.subscriber.subscribe({ consumer: "c", patterns: ["#"] });
    const kinds: string[] = [];
    void (async () => {
      for await (const { kind } of subscription.status()) kinds.push(kind);
    })();
    await vi.waitFor(() => expect(broker.opens).toBe(1));
    for (const kind of ["standby", "standby", "heartbeat", "standby", "heartbeat"] as const) {
      broker.clock.pass(Times.heartbeatMs);
      broker.give(kind);
      await vi.waitFor(() => expect(subscription.current.kind).toBe("standby"));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(broker.opens).toBe(1);
    expect(kinds.filter((kind) => kind === "standby")).toHaveLength(1);
    await subscription.close();
  });

  test("a subscription that is closed leaves no timer behind: its program may end", async () => {
    const broker = new SilentBroker();
    const subscription = broker.subscriber.subscribe({ consumer: "c", patterns: ["#"] });
    await vi.waitFor(() => expect(broker.opens).toBe(1));
    await subscription.close();
    expect(broker.clock.waiting).toBe(0);
  });
});
