import { createMemoryEventLog } from "@warren/event-store/memory";
import { encodeEvent, Limits, silentLogger, systemClock, toEvent } from "@warren/protocol";
import { packContentType, packOf } from "@warren/protocol/amqp";
import { TailBudget } from "@warren/replay";
import { keepEverything, OffsetWriter } from "@warren/state-store";
import { createMemoryStateStore } from "@warren/state-store/memory";
import { createMemoryTransport, MemoryBroker } from "@warren/transport/memory";
import { expect, test, vi } from "vitest";
import { queueName } from "./config-key.ts";
import { noCounts } from "./core-deps.ts";
import { ReceiveBudget } from "./receive-budget.ts";
import { ReceiverWriter } from "./receiver-writer.ts";
import { noArchive } from "./start-offset.ts";

const [namespace, exchange, configKey] = ["test", "events", "key"];
/** Two of them do not fit into a segment. */
const packEvents = Limits.segmentEvents / 2 + 1;

/** A queue with three packs, each a segment. */
async function threeSegments() {
  const transport = createMemoryTransport({ broker: new MemoryBroker() });
  const queue = { name: queueName(namespace, configKey), patterns: ["#"], singleActiveConsumer: true };
  await transport.ensureQueue({ exchange: { name: exchange, mode: "declare" }, queue });
  const publisher = transport.createPublisher({ exchange });
  for (const pack of ["a", "b", "c"]) {
    const events = Array.from({ length: packEvents }, (_, n) =>
      encodeEvent(toEvent({ type: "t", source: "/s" }, { id: `${pack}${n}`, now: new Date(0) })),
    );
    const { routingKey, body } = packOf(events);
    await publisher.publish({ exchange, routingKey, contentType: packContentType, headers: new Map(), body });
  }
  return transport;
}

test("the next append is prepared while one is under way, and begun before consumers are told of a segment, and they are told of it, and find it, while that one is under way", async () => {
  const transport = await threeSegments();
  const log = createMemoryEventLog();
  await log.create(1n);
  const [answers, deferred, told]: [(() => void)[], (() => void)[], bigint[]] = [[], [], []];
  /** Of each append: whether its events were prepared. */
  const prepared: boolean[] = [];
  const state = createMemoryStateStore(() => 0);
  const [clock, logger, random] = [systemClock, silentLogger, () => 0];
  const writer = new ReceiverWriter(
    {
      transport,
      // Its answer to an append comes when it is asked for.
      log: {
        ...log,
        prepare: (_, events) => ({ events }),
        append(request) {
          prepared.push(request.prepared?.events === request.events);
          return new Promise((resolve) => answers.push(() => resolve(log.append(request))));
        },
      },
      state,
      offsets: new OffsetWriter({ store: state, clock, logger, random }),
      past: noArchive,
      clock,
      defer: (run) => deferred.push(run),
      ids: { uuid: () => "" },
      random,
      logger,
    },
    { namespace, exchange },
    {
      receiverId: 1n,
      configKey,
      config: { exchange, patterns: ["#"] },
      phase: "ready",
      completeSince: 0,
      retention: keepEverything,
    },
    { counters: noCounts(), budget: new ReceiveBudget(Limits.unstoredBytes), tails: new TailBudget(1), awake: new Map() },
    {
      stored: () => told.push(writer.head),
      gapRecorded: () => undefined,
      claimed: () => undefined,
      fenced: () => undefined,
    },
  );
  const [one, two, three] = [1, 2, 3].map((segments) => BigInt(segments * packEvents));
  const begun = (appends: number): Promise<void> => vi.waitFor(() => expect(answers).toHaveLength(appends));
  await begun(1);
  deferred.splice(0).forEach((run) => run());
  expect(told).toEqual([0n]);

  answers[0]?.();
  await begun(2);
  // Neither told nor there: who reads the tail meanwhile finds what it was told of.
  expect([told, writer.head]).toEqual([[0n], 0n]);
  deferred.splice(0).forEach((run) => run());
  expect([told, writer.head]).toEqual([[0n, one], one]);

  // Nothing deferred was run when the next answer comes: then it is told first.
  answers[1]?.();
  await begun(3);
  expect(told).toEqual([0n, one]);
  answers[2]?.();
  await vi.waitFor(() => expect(told).toEqual([0n, one, two, three]));
  // The third came when nothing deferred had been run, and was the last: more might have gone into it.
  expect(prepared).toEqual([false, true, false]);
  await writer.stop();
  await transport.close();
});
