import { answer } from "../harness/child.ts";
import { machineMs } from "../harness/clock.ts";
import type { PeerPublisher, Target, Topic } from "./client.ts";
import { clients, type ClientName } from "./clients/index.ts";
import { Payloads, type PayloadKind } from "./payloads.ts";

/** The one process that publishes. Numbers of events go on from one command to the next. */

const maxUnconfirmedBytes = 8 * 1024 * 1024;
const tickMs = 1;

let publisher: PeerPublisher | undefined;
let payloads = new Payloads(256);
let window = 0;
let next = 0;

interface Open {
  readonly client: ClientName;
  readonly target: Target;
  readonly topic: Topic;
  readonly payload: PayloadKind;
}

/** What was published. */
export interface Published {
  /** Events, all of them confirmed. */
  readonly count: number;
  readonly seconds: number;
  readonly firstAtMs: number;
}

answer({
  async open({ client, target, topic, payload }: Open) {
    payloads = new Payloads(payload);
    const used = await clients[client]();
    window = Math.max(20, Math.min(used.window, Math.floor(maxUnconfirmedBytes / payloads.meanBytes)));
    next = 0;
    publisher = await used.openPublisher(target, topic);
  },
  /** As fast as it goes: so many events, or for so many seconds. */
  blast: ({
    count = Number.POSITIVE_INFINITY,
    seconds = Number.POSITIVE_INFINITY,
  }: {
    readonly count?: number;
    readonly seconds?: number;
  }) => blast(opened(), count, seconds),
  /** At a fixed rate, whatever is confirmed. */
  pace: ({ perSecond, seconds }: { readonly perSecond: number; readonly seconds: number }) => pace(opened(), perSecond, seconds),
  close: () => publisher?.close(),
});

function opened(): PeerPublisher {
  if (publisher === undefined) throw new Error("no publisher is open");
  return publisher;
}

/** A system that says that it has an event has read its payload: that memory is used again. */
function send(to: PeerPublisher, n: number, dueMs: number, done: (error?: unknown) => void): void {
  const payload = payloads.make(n, dueMs);
  to.send(payload, (error) => {
    if (error === undefined) payloads.giveBack(n, payload);
    done(error);
  });
}

function blast(to: PeerPublisher, count: number, seconds: number): Promise<Published> {
  const { promise, resolve, reject } = Promise.withResolvers<Published>();
  const firstAtMs = machineMs();
  const endAtMs = firstAtMs + seconds * 1000;
  let sent = 0;
  let confirmed = 0;
  let ended = false;
  let scheduled = false;
  const done = (error?: unknown): void => {
    if (error !== undefined) return reject(error);
    confirmed += 1;
    if (ended && confirmed === sent) return resolve({ count: sent, seconds: (machineMs() - firstAtMs) / 1000, firstAtMs });
    if (ended || scheduled) return;
    scheduled = true;
    // Confirms come in bunches: what they make room for is sent together.
    setImmediate(fill);
  };
  const fill = (): void => {
    scheduled = false;
    if (ended) return;
    const room = Math.min(window - (sent - confirmed), count - sent);
    for (let i = 0; i < room; i += 1) {
      const n = next;
      next += 1;
      sent += 1;
      // Before it is sent: some confirm at once.
      ended = sent === count;
      send(to, n, 0, done);
    }
    if (!ended && machineMs() >= endAtMs) ended = true;
    if (ended && confirmed === sent) resolve({ count: sent, seconds: (machineMs() - firstAtMs) / 1000, firstAtMs });
  };
  fill();
  return promise;
}

function pace(to: PeerPublisher, perSecond: number, seconds: number): Promise<Published> {
  const { promise, resolve, reject } = Promise.withResolvers<Published>();
  const count = Math.floor(perSecond * seconds);
  const firstAtMs = machineMs();
  let sent = 0;
  let confirmed = 0;
  const done = (error?: unknown): void => {
    if (error !== undefined) return reject(error);
    confirmed += 1;
    if (confirmed === count) resolve({ count, seconds: (machineMs() - firstAtMs) / 1000, firstAtMs });
  };
  const timer = setInterval(() => {
    const due = Math.min(count, Math.floor(((machineMs() - firstAtMs) / 1000) * perSecond) + 1);
    for (; sent < due; sent += 1) {
      const n = next;
      next += 1;
      send(to, n, firstAtMs + (sent * 1000) / perSecond, done);
    }
    if (sent === count) clearInterval(timer);
  }, tickMs);
  return promise;
}
