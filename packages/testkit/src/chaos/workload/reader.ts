import { createSubscriber, isWarrenError, type SubscribedEvent, type Subscription, type SubscriptionStatus } from "@warren/client";
import type { Prng } from "../../simulation/prng.ts";
import type { Journal } from "../journal.ts";
import { digestOf } from "./content.ts";
import type { ReaderSpec } from "./spec.ts";

/** What a program of a reader may do. */
export interface ReaderLife {
  /** Unique in the run. */
  readonly reader: string;
  readonly spec: ReaderSpec;
  readonly brokerUrl: string;
  readonly journal: Journal;
  readonly random: Prng;
  /** Aborted: it leaves, and does not come again. */
  readonly stopping: AbortSignal;
  /** Aborted: it neither leaves by itself nor dawdles. */
  readonly hurry: AbortSignal;
  /** It was opened, or waits for its turn. */
  readonly opened: () => void;
  readonly taken: (event: SubscribedEvent) => void;
}

/** Un-acked when a program leaves: they come again. */
const leftUnacked = 5;
const slowMs = 15;
const slowInFlight = 8;

/** One incarnation of a reader: subscribes, and keeps account of all it is handed and told, until it leaves. Throws what ended its subscription for good, but for TAKEN_OVER. */
export async function readOnce(life: ReaderLife): Promise<void> {
  const { spec, journal, stopping } = life;
  const { consumer, patterns, habit } = spec;
  const subscriber = createSubscriber({ brokerUrl: life.brokerUrl });
  const ephemeral = habit === "ephemeral";
  const subscription = subscriber.subscribe({
    ...(ephemeral ? { patterns, ackMode: "auto" } : { consumer, patterns, start: "earliest" }),
    onConflict: habit === "standby" ? "standby" : "take-over",
    // One that dawdles is sent little at a time: what comes meanwhile leaves the broker's memory.
    ...(habit === "slow" ? { maxInFlight: slowInFlight } : {}),
  });
  const leave = (): void => void subscription.close();
  stopping.addEventListener("abort", leave, { once: true });
  if (stopping.aborted) leave();
  const account = new Account(life, subscription);
  const watching = account.watch();
  try {
    await take(life, subscription, account);
  } catch (error) {
    if (!isWarrenError(error, "TAKEN_OVER")) throw error;
    journal.record({ kind: "note", what: "superseded" });
  } finally {
    stopping.removeEventListener("abort", leave);
    await watching;
    account.flush();
    await subscriber.close();
  }
}

async function take(life: ReaderLife, subscription: Subscription, account: Account): Promise<void> {
  const { reader, spec, journal, random, hurry } = life;
  const leaves = spec.habit === "flapper" || spec.habit === "sleeper" || spec.habit === "taker";
  const limit = leaves ? 20 + random.below(400) : Number.POSITIVE_INFINITY;
  const shuffled: SubscribedEvent[] = [];
  const ack = (event: SubscribedEvent): void => {
    journal.record({ kind: "ack", reader, offset: event.offset });
    event.ack();
  };
  let count = 0;
  for await (const event of subscription) {
    await account.settle(event.offset);
    journal.record({ kind: "event", reader, offset: event.offset, event: event.id, digest: digestOf(JSON.stringify(event.data)) });
    life.taken(event);
    count += 1;
    if (count > limit && !hurry.aborted) return;
    if (spec.habit === "ephemeral") journal.record({ kind: "ack", reader, offset: event.offset });
    else if (spec.habit === "shuffler") {
      shuffled.push(event);
      // The oldest is not left behind for long.
      if (shuffled.length > 20 || hurry.aborted) for (const each of shuffled.splice(0).toSorted(() => random.next() - 0.5)) ack(each);
    } else if (count <= limit - leftUnacked || hurry.aborted) {
      if (spec.habit === "slow" && !hurry.aborted) await new Promise((resolve) => setTimeout(resolve, slowMs));
      ack(event);
    }
  }
}

/** Writes down what the status of a subscription tells, in order with the events. */
class Account {
  readonly #life: ReaderLife;
  readonly #subscription: Subscription;
  #heard: SubscriptionStatus | undefined;
  #token = 0n;
  #behind = true;
  /** Sessions of an ephemeral reader: it says itself where it was, at a time when earlier events still wait to be handed over. */
  #pending: { readonly token: bigint; readonly afterOffset: bigint }[] = [];

  constructor(life: ReaderLife, subscription: Subscription) {
    this.#life = life;
    this.#subscription = subscription;
  }

  async watch(): Promise<void> {
    for await (const status of this.#subscription.status()) {
      this.#note(status);
      this.#heard = status;
    }
  }

  /** Resolves when all that was told before is written down. */
  async settle(offset: bigint): Promise<void> {
    while (this.#heard !== this.#subscription.current) await new Promise((resolve) => setImmediate(resolve));
    this.flush(offset);
  }

  /** Writes down the sessions that begin below an offset. */
  flush(below?: bigint): void {
    const { reader, spec, journal } = this.#life;
    const begun = this.#pending.filter(({ afterOffset }) => below === undefined || afterOffset < below);
    this.#pending.splice(0, begun.length);
    for (const { token, afterOffset } of begun) {
      // What a named one has settled beyond that place the SDK does not tell; the history knows what was acked.
      const settled = spec.habit === "ephemeral" ? { settled: [] } : {};
      journal.record({ kind: "opened", consumer: spec.consumer, log: spec.log, reader, token, afterOffset, ...settled });
    }
  }

  #note(status: SubscriptionStatus): void {
    const { reader, spec, journal, opened } = this.#life;
    const note = (what: string): void => journal.record({ kind: "note", what });
    switch (status.kind) {
      case "connected":
        opened();
        this.#token = status.sessionToken;
        this.#behind = true;
        this.#pending.push({ token: status.sessionToken, afterOffset: status.afterOffset });
        if (spec.habit !== "ephemeral") this.flush();
        return;
      case "standby":
        opened();
        note("standby");
        return;
      case "acked":
        journal.record({ kind: "acked", reader, token: this.#token, upTo: status.offset, ranges: [] });
        return;
      case "gap":
        if (status.afterOffset !== undefined) journal.record({ kind: "gap", reader, what: "missed", afterOffset: status.afterOffset });
        return;
      case "caughtUp":
        this.#behind = false;
        return;
      case "catchingUp":
        if (!this.#behind) note("fell behind");
        this.#behind = true;
        return;
      case "disconnected":
        note(`disconnected ${status.code}`);
        return;
      case "refused":
        note(`refused ${status.code}`);
        return;
      case "connecting":
      case "paused":
      case "resumed":
      case "parked":
      case "superseded":
      case "closed":
    }
  }
}
