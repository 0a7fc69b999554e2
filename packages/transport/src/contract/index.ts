import { isWarrenError, must } from "@warren/protocol";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ConsumeOptions, Delivery, OutgoingMessage, QueueConsumer, Topology, Transport } from "../transport.ts";

/** What a suite needs of an implementation: transports on one broker, and what can be done to that broker. */
export interface TransportUnderTest {
  connect(): Transport;
  /** A prefix of names that nobody else uses. */
  readonly prefix: string;
  readonly faults: {
    /** RabbitMQ closes the channel of the consumer. */
    closeChannel(queue: string): Promise<void>;
    /** The connection of the consumer is reset. */
    resetConnection(queue: string): Promise<void>;
    /** The next `count` tries to connect are reset before they are set up. */
    resetDuringSetup(count: number): Promise<void>;
    deleteQueue(queue: string): Promise<void>;
    /** Undefined where it cannot be done to the server at hand. */
    block?: ((reason: string | undefined) => Promise<void>) | undefined;
    /** An exchange of another type than topic. */
    makeFanoutExchange(name: string): Promise<void>;
  };
  close(): Promise<void>;
}

/** A consumer that keeps what it is told, in order, in short words. */
class Recorder {
  readonly lines: string[] = [];
  readonly deliveries: Delivery[] = [];
  channel = 0;
  readonly handler: ConsumeOptions["handler"] = {
    opened: (channel) => {
      this.channel = channel;
      this.lines.push(`opened ${channel}`);
    },
    delivered: (_channel, delivery) => {
      this.deliveries.push(delivery);
      this.lines.push(`${delivery.redelivered ? "again" : "got"} ${new TextDecoder().decode(delivery.body)}`);
    },
    closed: (channel, { kind }) => this.lines.push(`closed ${channel} ${kind}`),
    waiting: ({ code }) => this.lines.push(`waiting ${code}`),
  };

  until(line: string): Promise<void> {
    return vi.waitFor(() => expect(this.lines).toContain(line), { timeout: 20_000, interval: 10 });
  }
}

/** The contract of Transport, to be run on every implementation, with the same list of faults. */
export function describeTransport(name: string, open: () => Promise<TransportUnderTest>, can: { readonly block: boolean }): void {
  describe(`Transport: ${name}`, () => {
    let subject: TransportUnderTest;
    let transport: Transport;
    let names = 0;
    let exchange = "";
    beforeEach(async () => {
      subject = await open();
      transport = subject.connect();
      names += 1;
      exchange = `${subject.prefix}.x${names}`;
    });
    afterEach(async () => {
      await transport.close();
      await subject.close();
    });

    const topology = (patterns: readonly string[] = ["#"], queue = `${exchange}.q`): Topology => ({
      exchange: { name: exchange, mode: "declare" },
      queue: { name: queue, patterns, singleActiveConsumer: true },
    });
    const consume = (recorder: Recorder, more: Partial<ConsumeOptions> = {}): QueueConsumer =>
      transport.consume({
        topology: topology(),
        prefetch: 10,
        existing: false,
        queueMissing: () => Promise.resolve(),
        handler: recorder.handler,
        ...more,
      });
    const message = (text: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
      exchange,
      routingKey: "a.b",
      headers: new Map(),
      body: new TextEncoder().encode(text),
      ...more,
    });
    async function publisher() {
      await transport.ensureQueue(topology());
      return transport.createPublisher({ exchange });
    }

    test("does not look at a message any more when it is settled: its memory is the publisher's again", async () => {
      const sender = await publisher();
      for (const text of ["short", "long".repeat(50_000)]) {
        const { body, ...rest } = message(text);
        expect(await sender.publish({ ...rest, body })).toEqual({ kind: "ok" });
        body.fill(0);
      }
      const recorder = new Recorder();
      consume(recorder);
      await recorder.until(`got ${"long".repeat(50_000)}`);
      expect(recorder.lines).toContain("got short");
      await sender.close();
    });

    test("delivers what was published, in order, with its properties", async () => {
      const recorder = new Recorder();
      const sender = await publisher();
      consume(recorder);
      const headers = new Map<string, string | number | Map<string, string>>([
        ["text", "é"],
        ["number", 7],
        ["table", new Map([["k", "v"]])],
      ]);
      const outcomes = await Promise.all([
        sender.publish(message("1", { headers, contentType: "text/plain", messageId: "m1", appId: "app", timestamp: 1_700_000_000 })),
        sender.publish(message("2")),
        sender.publish(message("3")),
      ]);
      expect(outcomes).toEqual([{ kind: "ok" }, { kind: "ok" }, { kind: "ok" }]);
      await recorder.until("got 3");
      expect(recorder.lines).toEqual(["opened 1", "got 1", "got 2", "got 3"]);
      expect(recorder.deliveries[0]).toMatchObject({
        exchange,
        routingKey: "a.b",
        contentType: "text/plain",
        messageId: "m1",
        appId: "app",
        timestamp: 1_700_000_000,
      });
      expect(recorder.deliveries[0]?.headers.get("text")).toBe("é");
      expect(recorder.deliveries[0]?.headers.get("number")).toBe(7);
      expect(recorder.deliveries[0]?.headers.get("table")).toEqual(new Map([["k", "v"]]));
      expect(sender.pendingBytes).toBe(0);
    });

    test("W10: a message that no queue takes is rejected as UNROUTABLE", async () => {
      await transport.ensureQueue(topology(["only.this"]));
      const sender = transport.createPublisher({ exchange });
      const outcomes = await Promise.all([sender.publish(message("1")), sender.publish(message("2", { routingKey: "only.this" }))]);
      expect(outcomes).toMatchObject([{ kind: "rejected", error: { code: "UNROUTABLE" } }, { kind: "ok" }]);
    });

    test("a queue that matches several of a message's keys gets it once", async () => {
      const recorder = new Recorder();
      consume(recorder, { topology: topology(["a.*", "b.*"]) });
      await recorder.until("opened 1");
      const sender = transport.createPublisher({ exchange });
      expect(await sender.publish(message("1", { routingKey: "c.d", cc: ["a.x", "b.x", "a.y"] }))).toEqual({ kind: "ok" });
      expect(await sender.publish(message("2", { routingKey: "a.z" }))).toEqual({ kind: "ok" });
      await recorder.until("got 2");
      expect(recorder.lines).toEqual(["opened 1", "got 1", "got 2"]);
    });

    test("sends at most `prefetch` un-acked messages", async () => {
      const recorder = new Recorder();
      const sender = await publisher();
      const consumer = consume(recorder, { prefetch: 2 });
      await Promise.all([1, 2, 3, 4, 5].map((n) => sender.publish(message(String(n)))));
      await recorder.until("got 2");
      expect(recorder.lines).toEqual(["opened 1", "got 1", "got 2"]);
      expect(consumer.ackUpTo(1, 2)).toBe(true);
      await recorder.until("got 4");
      expect(recorder.lines).not.toContain("got 5");
    });

    for (const fault of ["closeChannel", "resetConnection"] as const) {
      test(`W1: after ${fault} un-acked messages come again, in order, and acks of the old channel are void`, async () => {
        const recorder = new Recorder();
        const sender = await publisher();
        const consumer = consume(recorder);
        await Promise.all([1, 2, 3, 4].map((n) => sender.publish(message(String(n)))));
        await recorder.until("got 4");
        consumer.ackUpTo(1, 1);
        await vi.waitFor(() => expect(recorder.lines).toContain("got 4"));
        await subject.faults[fault](`${exchange}.q`);
        await recorder.until("opened 2");
        expect(consumer.ackUpTo(1, 4)).toBe(false);
        await vi.waitFor(() => expect(recorder.lines.at(-1)).toBe("again 4"), { timeout: 20_000 });
        const after = recorder.lines.slice(recorder.lines.indexOf("opened 2") + 1);
        expect(after.filter((line) => line !== "again 1")).toEqual(["again 2", "again 3", "again 4"]);
      });
    }

    test("a connection that is reset while it is set up is tried again, and nothing is lost", async () => {
      const recorder = new Recorder();
      const sender = await publisher();
      consume(recorder);
      expect(await sender.publish(message("1"))).toEqual({ kind: "ok" });
      await recorder.until("got 1");
      await subject.faults.resetDuringSetup(4);
      await subject.faults.resetConnection(`${exchange}.q`);
      const outcome = sender.publish(message("2"));
      await recorder.until("opened 2");
      expect(await outcome).toEqual({ kind: "ok" });
      await recorder.until("got 2");
    });

    test("W8: a consumer that pauses gives everything back in order, and takes it again with the prefetch it resumes with", async () => {
      const sender = await publisher();
      const recorder = new Recorder();
      const consumer = consume(recorder);
      await recorder.until("opened 1");
      for (let n = 1; n <= 5; n += 1) await sender.publish(message(String(n)));
      await recorder.until("got 5");
      expect(consumer.ackUpTo(1, recorder.deliveries[0]?.tag ?? 0)).toBe(true);
      consumer.pause();
      consumer.pause();
      await recorder.until("closed 1 closed-by-us");
      expect(consumer.ackUpTo(1, recorder.deliveries[1]?.tag ?? 0)).toBe(false);
      await sender.publish(message("6"));
      consumer.resume(2);
      consumer.resume(5);
      await recorder.until("again 3");
      expect(recorder.lines.slice(7)).toEqual(["opened 2", "again 2", "again 3"]);
      consumer.ackUpTo(2, recorder.deliveries.at(-1)?.tag ?? 0);
      await recorder.until("again 5");
      consumer.ackUpTo(2, recorder.deliveries.at(-1)?.tag ?? 0);
      await recorder.until("got 6");
      expect(recorder.lines.slice(7)).toEqual(["opened 2", "again 2", "again 3", "again 4", "again 5", "got 6"]);
      await consumer.close();
      consumer.resume(1);
      await recorder.until("closed 2 closed-by-us");
    });

    test("W4: hands a queue over in order when its consumer closes", async () => {
      const [first, second] = [new Recorder(), new Recorder()];
      const sender = await publisher();
      const consumer = consume(first);
      await first.until("opened 1");
      const other = subject.connect();
      other.consume({ topology: topology(), prefetch: 10, existing: true, queueMissing: () => Promise.resolve(), handler: second.handler });
      await second.until("opened 1");
      await Promise.all([1, 2, 3].map((n) => sender.publish(message(String(n)))));
      await first.until("got 3");
      expect(second.lines).toEqual(["opened 1"]);
      await consumer.close();
      await second.until("again 3");
      expect(second.lines).toEqual(["opened 1", "again 1", "again 2", "again 3"]);
      await consumer.close();
      expect(first.lines.at(-1)).toBe("closed 1 closed-by-us");
      await other.close();
    });

    test("W9: a queue that was deleted is told before it is made again", async () => {
      const recorder = new Recorder();
      consume(recorder, {
        queueMissing: () => {
          recorder.lines.push("missing");
          return Promise.resolve();
        },
      });
      await recorder.until("opened 1");
      await subject.faults.deleteQueue(`${exchange}.q`);
      await recorder.until("opened 2");
      expect(recorder.lines).toEqual(["opened 1", "closed 1 queue-deleted", "missing", "opened 2"]);
    });

    test("W9: a queue that existed before and is gone is told at the first open; while that fails it is not made", async () => {
      const recorder = new Recorder();
      await transport.ensureExchange({ name: exchange, mode: "declare" });
      let tries = 0;
      consume(recorder, {
        existing: true,
        queueMissing: () => {
          tries += 1;
          return tries < 3 ? Promise.reject(new Error("database away")) : Promise.resolve();
        },
      });
      await recorder.until("opened 1");
      expect(tries).toBe(3);
    });

    test("counts what waits in a queue", async () => {
      const queue = `${exchange}.q`;
      expect(await transport.queueDepth(queue)).toBeUndefined();
      const sender = await publisher();
      expect(await transport.queueDepth(queue)).toBe(0);
      await Promise.all([1, 2, 3].map((n) => sender.publish(message(String(n)))));
      await vi.waitFor(async () => expect(await transport.queueDepth(queue)).toBe(3), { timeout: 10_000 });
      const recorder = new Recorder();
      consume(recorder, { prefetch: 2 });
      await recorder.until("got 2");
      await vi.waitFor(async () => expect(await transport.queueDepth(queue)).toBe(1), { timeout: 10_000 });
    });

    test("W13: deletes a queue with what waits in it, unless somebody consumes it; gone already is gone", async () => {
      const queue = `${exchange}.q`;
      const sender = await publisher();
      const recorder = new Recorder();
      const consumer = consume(recorder);
      await recorder.until("opened 1");
      await vi.waitFor(async () => expect(await transport.deleteQueue(queue)).toBe(false));
      await sender.publish(message("1"));
      await recorder.until("got 1");
      await consumer.close();
      await vi.waitFor(async () => expect(await transport.deleteQueue(queue)).toBe(true));
      expect(await transport.queueDepth(queue)).toBeUndefined();
      expect(await transport.deleteQueue(queue)).toBe(true);
      expect(await sender.publish(message("2"))).toMatchObject({ kind: "rejected", error: { code: "UNROUTABLE" } });
    });

    test("waits for an exchange that does not exist yet, saying so", async () => {
      const recorder = new Recorder();
      consume(recorder, { topology: { ...topology(), exchange: { name: exchange, mode: "passive" } } });
      await recorder.until("waiting TRANSPORT_UNAVAILABLE");
      await expect(transport.ensureExchange({ name: exchange, mode: "passive" })).rejects.toSatisfy((error) =>
        isWarrenError(error, "TRANSPORT_UNAVAILABLE"),
      );
      await transport.ensureExchange({ name: exchange, mode: "declare" });
      await recorder.until("opened 1");
    });

    test("refuses an exchange of another type", async () => {
      await subject.faults.makeFanoutExchange(exchange);
      for (const mode of ["declare", "passive"] as const) {
        await expect(transport.ensureExchange({ name: exchange, mode })).rejects.toSatisfy((error) =>
          isWarrenError(error, "EXCHANGE_INVALID"),
        );
      }
    });

    const testBlocked = can.block ? test : undefined;
    testBlocked?.("a message without a confirm in time is indeterminate, and publishing goes on when the alarm is over", async () => {
      const block = must(subject.faults.block, "who can block says how");
      await transport.ensureQueue(topology());
      const sender = transport.createPublisher({ exchange, confirmTimeoutMs: 50 });
      await block("memory alarm");
      expect(transport.status).toEqual({ kind: "blocked", reason: "memory alarm" });
      expect(await sender.publish(message("1"))).toMatchObject({ kind: "indeterminate", error: { code: "OUTCOME_UNKNOWN" } });
      await block(undefined);
      expect(await sender.publish(message("2"))).toEqual({ kind: "ok" });
    });

    test("W10: a message that cannot be sent is rejected at its own deadline, and a drain ends with it", async () => {
      const sender = transport.createPublisher({ exchange: `${exchange}.missing`, confirmTimeoutMs: 300 });
      const outcome = sender.publish(message("1"));
      const drained = sender.drain();
      expect(await outcome).toMatchObject({ kind: "rejected", error: { code: "TRANSPORT_UNAVAILABLE" } });
      await drained;
      expect(sender.pendingBytes).toBe(0);
    });

    test("W10: closing settles what is under way, and ends a drain", async () => {
      const sender = transport.createPublisher({ exchange: `${exchange}.missing` });
      const outcomes = Promise.all([sender.publish(message("1")), sender.publish(message("2"))]);
      const drained = sender.drain();
      await sender.close();
      for (const { kind } of await outcomes) expect(kind).toBe("rejected");
      await drained;
    });

    test("W10: messages that are sent again after a lost connection keep their order", async () => {
      const recorder = new Recorder();
      const sender = await publisher();
      const ids = Array.from({ length: 300 }, (_, n) => String(n));
      const outcomes = Promise.all(ids.map((id) => sender.publish(message(id))));
      consume(recorder, { prefetch: 2_000 });
      await subject.faults.resetConnection(`${exchange}.q`);
      const more = ["later 1", "later 2"];
      const after = Promise.all(more.map((id) => sender.publish(message(id))));
      for (const outcome of [...(await outcomes), ...(await after)]) expect(outcome).toEqual({ kind: "ok" });
      const first = (): readonly string[] => [
        ...new Set(recorder.lines.filter((line) => /^(got|again) /.test(line)).map((line) => line.replace(/^\w+ /, ""))),
      ];
      await vi.waitFor(() => expect(first()).toHaveLength(ids.length + more.length), { timeout: 20_000 });
      expect(first()).toEqual([...ids, ...more]);
    });

    test("a channel that RabbitMQ closes takes no other channel with it", async () => {
      const [one, two] = [new Recorder(), new Recorder()];
      consume(one);
      const queue = `${exchange}.other`;
      consume(two, { topology: topology(["#"], queue) });
      await Promise.all([one.until("opened 1"), two.until("opened 1")]);
      await subject.faults.closeChannel(`${exchange}.q`);
      await one.until("opened 2");
      const sender = transport.createPublisher({ exchange });
      expect(await sender.publish(message("1"))).toEqual({ kind: "ok" });
      await Promise.all([one.until("got 1"), two.until("got 1")]);
      expect(two.lines).toEqual(["opened 1", "got 1"]);
      expect(one.lines).toEqual(["opened 1", "closed 1 channel-error", "opened 2", "got 1"]);
    });

    test("a closed publisher takes nothing", async () => {
      const sender = await publisher();
      await sender.drain();
      await sender.close();
      expect(await sender.publish(message("1"))).toMatchObject({ kind: "rejected", error: { code: "CLOSED" } });
    });
  });
}
