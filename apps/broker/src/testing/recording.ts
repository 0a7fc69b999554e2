import { createPublisher, createSubscriber, type Publisher, type SubscriptionStatus } from "@warren/client";
import type { HistoryRecord } from "@warren/testkit";
import { connect, type ChannelModel } from "amqplib";

/** Keeps what happens, in order. */
export type Keep = (record: HistoryRecord) => void;

type Outcome = Extract<HistoryRecord, { kind: "outcome" }>["outcome"];

/** One that publishes one batch after the other, each event until it is stored, until it is told to stop. */
export interface RecordingPublisher {
  /** Events that were published with outcome ok. */
  readonly published: number;
  /** Outcomes so far, by kind. */
  readonly outcomes: Readonly<{ [kind in Outcome]: number }>;
  /** Resolves when the batch under way is stored, and everything is closed. */
  stop(): Promise<void>;
}

/** What a publisher of a flow is. */
export interface PublisherSpec {
  readonly name: string;
  readonly amqpUrl: string;
  readonly exchange: string;
  /** Types of its events, in turn. */
  readonly types: readonly string[];
}

interface Item {
  readonly id: string;
  readonly type: string;
  readonly n: number;
}

/** Events of a batch, and how long to rest after it: a few hundred events a second are flow enough. */
const batchSize = 10;
const restMs = 50;

/** Publishes with the SDK, in packs. */
export function publishWithSdk(spec: PublisherSpec, record: Keep): RecordingPublisher {
  const publisher: Publisher = createPublisher({ amqpUrl: spec.amqpUrl, exchange: spec.exchange });
  const send = async (items: readonly Item[]): Promise<readonly Outcome[]> => {
    const outcomes = await publisher.publishAll(items.map(({ id, type, n }) => ({ id, type, source: `/${spec.name}`, data: { n } })));
    return outcomes.map(({ kind }) => kind);
  };
  return publishLoop(spec, record, send, () => publisher.drain());
}

/** Publishes plain messages as a program that knows nothing of Warren does, and connects again when its connection is lost. */
export function publishForeign(spec: PublisherSpec, record: Keep): RecordingPublisher {
  let model: ChannelModel | undefined;
  const send = async (items: readonly Item[]): Promise<readonly Outcome[]> => {
    const outcomes: Outcome[] = items.map(() => "indeterminate");
    try {
      if (model === undefined) {
        model = await connect(spec.amqpUrl, { timeout: 2_000 });
        model.on("error", () => undefined);
      }
      const channel = await model.createConfirmChannel();
      channel.on("error", () => undefined);
      const lost = new Promise<void>((resolve) => channel.once("close", resolve));
      const confirms = items.map(({ id, type, n }, index) => {
        const options = { messageId: id, contentType: "application/json", persistent: true };
        return new Promise<void>((resolve) => {
          channel.publish(spec.exchange, type, Buffer.from(JSON.stringify({ n })), options, (error) => {
            if (error === null || error === undefined) outcomes[index] = "ok";
            resolve();
          });
        });
      });
      await Promise.race([Promise.all(confirms), lost]);
      await channel.close();
    } catch {
      model?.close().catch(() => undefined);
      model = undefined;
    }
    return outcomes;
  };
  return publishLoop(spec, record, send, async () => {
    await model?.close().catch(() => undefined);
  });
}

/** An id that a receiver trusts without `app_id`: a UUID. The publisher's name makes it its own. */
const idOf = (name: string, n: number): string =>
  `${Buffer.from(name.padEnd(4)).toString("hex").slice(0, 8)}-0000-4000-8000-${String(n).padStart(12, "0")}`;

function publishLoop(
  { name, types }: PublisherSpec,
  record: Keep,
  send: (items: readonly Item[]) => Promise<readonly Outcome[]>,
  close: () => Promise<void>,
): RecordingPublisher {
  const outcomes = { ok: 0, rejected: 0, indeterminate: 0 };
  let attempt = 0;
  const stopping = new AbortController();
  const store = async (items: readonly Item[]): Promise<void> => {
    let waiting = items;
    while (waiting.length > 0) {
      const first = attempt + 1;
      for (const { id, type, n } of waiting) {
        attempt += 1;
        record({ kind: "publish", publisher: name, attempt, event: id, type, digest: JSON.stringify({ n }) });
      }
      const became = await send(waiting);
      became.forEach((outcome, index) => record({ kind: "outcome", publisher: name, attempt: first + index, outcome }));
      for (const outcome of became) outcomes[outcome] += 1;
      waiting = waiting.filter((_, index) => became[index] !== "ok");
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  };
  const loop = (async () => {
    for (let n = 0; !stopping.signal.aborted; n += batchSize) {
      await store(
        Array.from({ length: batchSize }, (_, i) => ({ id: idOf(name, n + i), type: types[(n + i) % types.length] ?? "", n: n + i })),
      );
    }
    await close();
  })();
  return {
    get published() {
      return outcomes.ok;
    },
    outcomes,
    stop() {
      stopping.abort();
      return loop;
    },
  };
}

/** What a consumer of a flow is. */
export interface ConsumerSpec {
  readonly consumer: string;
  readonly log: string;
  readonly patterns: readonly string[];
  readonly brokerUrl: string;
  /** Leaves after so many events, the last of them un-acked, and comes again as another program. Without it: one program that stays. */
  readonly leaveAfter?: number;
}

/** One that takes events, and keeps account of all it is handed and told. */
export interface RecordingConsumer {
  /** Identities of the events it was handed. */
  readonly seen: ReadonlySet<string>;
  /** Sessions it had. */
  readonly sessions: number;
  /** Resolves when it has left. */
  stop(): Promise<void>;
}

/** Un-acked when a program leaves: they come again. */
const leftUnacked = 5;

/** Subscribes, as one program or as one after the other. */
export function consume(spec: ConsumerSpec, record: Keep): RecordingConsumer {
  const seen = new Set<string>();
  let sessions = 0;
  let programs = 0;
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    programs += 1;
    const reader = `${spec.consumer}-${programs}`;
    const subscriber = createSubscriber({ brokerUrl: spec.brokerUrl });
    const { consumer, log, patterns, leaveAfter = Number.POSITIVE_INFINITY } = spec;
    const subscription = subscriber.subscribe({ consumer, patterns, start: "earliest", onConflict: "take-over" });
    stopping.signal.addEventListener("abort", () => void subscription.close(), { once: true });
    if (stopping.signal.aborted) await subscription.close();
    let token = 0n;
    let heard: SubscriptionStatus | undefined;
    const watching = (async () => {
      for await (const status of subscription.status()) {
        if (status.kind === "connected") {
          sessions += 1;
          token = status.sessionToken;
          record({ kind: "opened", consumer, log, reader, token, afterOffset: status.afterOffset, settled: [] });
        } else if (status.kind === "acked") {
          record({ kind: "acked", reader, token, upTo: status.offset, ranges: [] });
        } else if (status.kind === "gap" && status.afterOffset !== undefined) {
          record({ kind: "gap", reader, what: "missed", afterOffset: status.afterOffset });
        }
        heard = status;
      }
    })();
    let taken = 0;
    for await (const event of subscription) {
      // What the status says of a session is kept before its events.
      while (heard !== subscription.current) await new Promise((resolve) => setImmediate(resolve));
      record({ kind: "event", reader, offset: event.offset, event: event.id, digest: JSON.stringify(event.data) });
      seen.add(event.id);
      taken += 1;
      if (taken > leaveAfter) break;
      if (taken > leaveAfter - leftUnacked) continue;
      record({ kind: "ack", reader, offset: event.offset });
      event.ack();
    }
    await watching;
    await subscriber.close();
  };
  const loop = (async () => {
    while (!stopping.signal.aborted) await run();
  })();
  return {
    seen,
    get sessions() {
      return sessions;
    },
    stop() {
      stopping.abort();
      return loop;
    },
  };
}
