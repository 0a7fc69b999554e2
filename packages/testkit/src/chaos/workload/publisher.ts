import { createPublisher } from "@warren/client";
import { Prng } from "../../simulation/prng.ts";
import type { HistoryRecord } from "../../history/history.ts";
import type { Journal } from "../journal.ts";
import { digestOf, makeContent, type Content } from "./content.ts";
import { foreignSender } from "./foreign-sender.ts";
import type { PublisherSpec } from "./spec.ts";

type Outcome = Extract<HistoryRecord, { kind: "outcome" }>["outcome"];

/** An event on its way. */
export interface Item {
  readonly id: string;
  readonly type: string;
  readonly content: Content;
}

/** A way to send events, in order. */
export interface Way {
  /** Never throws. */
  send(items: readonly Item[]): Promise<readonly Outcome[]>;
  close(): Promise<void>;
}

/** One that publishes one batch after the other, each event until it is stored. */
export interface RunningPublisher {
  readonly published: number;
  /** The next batch is of many events, all of them large: more bytes than a receiver keeps in memory. */
  burst(): void;
  /** Resolves when the batch under way is stored and everything is closed. */
  stop(): Promise<void>;
}

/** Events of a burst. */
const burstEvents = 100;

/** Begins to publish. What was not stored is published again, with the same id, before anything new. */
export function startPublisher(spec: PublisherSpec, incarnation: number, journal: Journal): RunningPublisher {
  const random = new Prng(spec.seed + incarnation);
  const name = `${spec.name}.${incarnation}`;
  const way = spec.way === "foreign" ? foreignSender(spec) : sdkSender(spec);
  const stopping = new AbortController();
  let attempt = 0;
  let published = 0;
  let bursts = 0;

  async function store(items: readonly Item[]): Promise<void> {
    for (let waiting = items; waiting.length > 0;) {
      const first = attempt + 1;
      for (const { id, type, content } of waiting) {
        attempt += 1;
        journal.record({ kind: "publish", publisher: name, attempt, event: id, type, digest: digestOf(JSON.stringify(content)) });
      }
      const outcomes = await way.send(waiting);
      outcomes.forEach((outcome, index) => journal.record({ kind: "outcome", publisher: name, attempt: first + index, outcome }));
      published += outcomes.filter((outcome) => outcome === "ok").length;
      waiting = waiting.filter((_, index) => outcomes[index] !== "ok");
      await new Promise((resolve) => setTimeout(resolve, spec.restMs));
    }
  }

  const loop = (async () => {
    let size = spec.batch;
    for (let n = 1; !stopping.signal.aborted; n += size) {
      const large = bursts > 0;
      if (large) bursts -= 1;
      size = large ? burstEvents : spec.batch;
      const item = (_: unknown, index: number): Item => ({
        id: `${name}-${n + index}`,
        type: (large ? spec.burstType : random.pick(spec.types)) ?? "",
        content: makeContent(n + index, random, large),
      });
      await store(Array.from({ length: size }, item));
    }
    await way.close();
  })();
  return {
    get published() {
      return published;
    },
    burst: () => void (bursts += 1),
    stop() {
      stopping.abort();
      return loop;
    },
  };
}

function sdkSender({ name, way, url, exchange }: PublisherSpec): Way {
  const publisher = way === "broker" ? createPublisher({ brokerUrl: url }) : createPublisher({ amqpUrl: url, exchange });
  return {
    async send(items) {
      const events = items.map(({ id, type, content }) => ({ id, type, source: `/${name}`, data: content }));
      return (await publisher.publishAll(events)).map(({ kind }) => kind);
    },
    close: () => publisher.drain(),
  };
}
