import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber } from "@warren/client";
import { ArchiveService } from "@warren/protocol/v1";
import { startRealSystem, type RealSystem } from "@warren/testkit";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { builtCommand } from "./built-command.ts";

describe("broker and archiver as processes", () => {
  let system: RealSystem;
  beforeAll(async () => {
    process.env["WARREN_AMQP_URL"] ??= inject("amqpUrl");
    process.env["WARREN_DATABASE_URL"] ??= inject("databaseUrl");
    system = await startRealSystem(builtCommand, () => undefined);
  });
  afterAll(() => system.stop());

  test("SIGKILL of both in the flow loses nothing, repeats nothing that was acked, and keeps the order", async () => {
    let total = Number.POSITIVE_INFINITY;
    const killed = new AbortController();
    const { brokerUrl, archiverUrl, amqpUrl, exchange } = system;
    const subscription = createSubscriber({ brokerUrl }).subscribe({ consumer: "survivor", patterns: ["flow.#"], start: "earliest" });
    const numbers: number[] = [];
    const offsets: bigint[] = [];
    const consuming = (async () => {
      for await (const event of subscription) {
        numbers.push((event.data as { readonly n: number }).n);
        offsets.push(event.offset);
        event.ack();
        if (numbers.length >= total) return;
      }
    })();
    for await (const { kind } of subscription.status()) if (kind === "caughtUp") break;

    const publisher = createPublisher({ amqpUrl, exchange });
    const publishing = (async () => {
      // Until both were killed and are back: they die in the middle of the flow.
      let from = 0;
      for (; !killed.signal.aborted; from += 50) {
        const events = Array.from({ length: 50 }, (_, i) => ({
          type: "flow.x",
          source: "/e2e",
          id: `n${from + i}`,
          data: { n: from + i },
        }));
        const outcomes = await publisher.publishAll(events);
        expect(outcomes.filter(({ kind }) => kind !== "ok")).toEqual([]);
        // A few thousand events a second are flow enough.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      // Before it is sent: the subscriber may have the last event before the publisher has its confirm.
      total = from + 1;
      await publisher.publish({ type: "flow.x", source: "/e2e", id: `n${from}`, data: { n: from } });
    })();
    await vi.waitFor(() => expect(numbers.length).toBeGreaterThan(200), { timeout: 20_000 });
    await system.restartBroker();
    await vi.waitFor(() => expect(numbers.length).toBeGreaterThan(400), { timeout: 30_000 });
    await system.restartArchiver();
    killed.abort();
    await Promise.all([publishing, consuming]);

    // One program, one process: each event was handed over once, in the order of its publisher and of the log.
    expect(numbers).toEqual(Array.from({ length: total }, (_, i) => i));
    expect(offsets).toEqual(Array.from({ length: total }, (_, i) => BigInt(i + 1)));
    const archive = createClient(ArchiveService, createConnectTransport({ baseUrl: archiverUrl, httpVersion: "2" }));
    await vi.waitFor(async () => expect((await archive.countEvents({ filter: { patterns: ["flow.#"] } })).count).toBe(BigInt(total)), {
      timeout: 30_000,
      interval: 100,
    });
    const archived: string[] = [];
    for await (const { events } of archive.readEvents({ filter: { patterns: ["flow.#"] } }))
      for (const { event } of events) archived.push(event?.id ?? "");
    expect(archived).toEqual(Array.from({ length: total }, (_, i) => `n${i}`));
    expect((await archive.getEvent({ source: "/e2e", id: "n7" })).event?.event).toMatchObject({
      type: "flow.x",
      body: { case: "text", value: '{"n":7}' },
    });
    await publisher.drain();
    await subscription.close();
  });
});
