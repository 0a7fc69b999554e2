import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { QuarantineRow } from "@warren/event-store";
import { cutText, decodeEvent, Limits, WarrenError, type Clock } from "@warren/protocol";
import {
  ConsumerState,
  EventStanding as Standing,
  type AdminService,
  type ConsumerSchema,
  type ParkedEventSchema,
  type QuarantinedEventSchema,
} from "@warren/protocol/v1";
import type { ConsumerPhase, ConsumerView, EventStanding, Subscriptions } from "@warren/receiver-core";
import type { ParkedRow } from "@warren/state-store";
import { toExpiry, toStart } from "./open-request.ts";
import { toEffect, toPolicy, toReceiver } from "./receiver-messages.ts";

const states: Readonly<Record<ConsumerPhase, ConsumerState>> = {
  asleep: ConsumerState.ASLEEP,
  "catching-up": ConsumerState.CATCHING_UP,
  live: ConsumerState.LIVE,
};

/** The most parked events of one answer, and how many when nothing is said. */
const parkedPage = { most: 1_000, usual: 100 };

/** The same of quarantine, whose events are shown with up to 64 KiB each. */
const quarantinePage = { most: 100, usual: 20 };

/** What an operator asks: lists are from memory, as it is now; parked events from the state store. */
export function adminService(subscriptions: Subscriptions, clock: Clock): ServiceImpl<typeof AdminService> {
  const { operations, receiverOperations } = subscriptions;
  /** Unknown while the database is away: the rest is told all the same. */
  const parkedCounts = () => operations.parkedCounts().catch(() => undefined);
  return {
    listReceivers: () => ({ receivers: subscriptions.receivers().map(toReceiver) }),
    getReceiver({ receiverKey }) {
      const receiver = subscriptions.receivers().find((each) => each.receiverKey === receiverKey);
      if (receiver === undefined) throw new WarrenError("NOT_FOUND", `no receiver has the key ${JSON.stringify(receiverKey)}`);
      return { receiver: toReceiver(receiver) };
    },
    async setRetention({ receiverKey, retention, dryRun }, { signal }) {
      const { receiver, outcome } = await receiverOperations.setRetention(receiverKey, toPolicy(retention), dryRun, { signal });
      const { events, bytes, effects } = outcome;
      return { receiver: toReceiver(receiver), events, bytes: BigInt(bytes), consumers: effects.map(toEffect) };
    },
    async deleteReceiver({ receiverKey, dryRun }) {
      return { receiver: toReceiver(await receiverOperations.delete(receiverKey, dryRun)) };
    },
    async listConsumers({ receiverKey }) {
      const counts = await parkedCounts();
      const consumers = subscriptions.consumers().filter((each) => receiverKey === "" || each.receiverKey === receiverKey);
      return { consumers: consumers.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map((each) => toConsumer(each, counts)) };
    },
    async getConsumer({ consumer: name }) {
      const counts = await parkedCounts();
      const consumer = subscriptions.consumers().find((each) => each.name === name);
      if (consumer === undefined) throw new WarrenError("NOT_FOUND", `no consumer has the name ${JSON.stringify(name)}`);
      return { consumer: toConsumer(consumer, counts) };
    },
    async seekConsumer({ consumer, to, dryRun }, { signal }) {
      if (to?.start.case === undefined)
        throw new WarrenError("REQUEST_INVALID", "`to` is missing: say latest, earliest, a time or after_offset");
      const move = await operations.seek(consumer, toStart(to, clock.wallMs()), dryRun, { signal });
      return { fromOffset: move.from, toOffset: move.to };
    },
    async pauseConsumer({ consumer, reason }) {
      await operations.pause(consumer, toReason(reason));
      return {};
    },
    async resumeConsumer({ consumer }) {
      await operations.resume(consumer);
      return {};
    },
    async updateConsumer({ consumer, expireAfter }) {
      const view = await operations.setExpiry(consumer, toExpiry(expireAfter));
      return { consumer: toConsumer(view, await parkedCounts()) };
    },
    async deleteConsumer({ consumer, dryRun }) {
      const counts = await parkedCounts();
      return { consumer: toConsumer(await operations.delete(consumer, dryRun), counts) };
    },
    async listParked({ consumer, afterOffset, limit }) {
      if (limit > parkedPage.most) throw new WarrenError("REQUEST_INVALID", `limit is ${limit}; at most ${parkedPage.most}`);
      const rows = await operations.parked(consumer, afterOffset, limit === 0 ? parkedPage.usual : limit);
      return { events: rows.map(toParked) };
    },
    async retryParked({ consumer, offsets, dryRun }) {
      return { count: await operations.retryParked(consumer, offsets.length === 0 ? undefined : offsets, dryRun) };
    },
    async discardParked({ consumer, offsets, all, dryRun }) {
      if (offsets.length > 0 === all) throw new WarrenError("REQUEST_INVALID", "say which offsets to discard, or `all`");
      return { count: await operations.discardParked(consumer, all ? undefined : offsets, dryRun) };
    },
    async listQuarantined({ receiverKey, limit, payload }) {
      if (limit > quarantinePage.most) throw new WarrenError("REQUEST_INVALID", `limit is ${limit}; at most ${quarantinePage.most}`);
      const rows = await operations.quarantined(receiverKey, limit === 0 ? quarantinePage.usual : limit);
      return { events: rows.map((row) => toQuarantined(row, payload)) };
    },
    async explain({ consumer, source, id }) {
      const { standing, parked, receiverKeys, ...rest } = await operations.explain(consumer, source, id);
      const known = { ...rest, receiverKeys: [...receiverKeys], ...(parked === undefined ? {} : { parked: toParked(parked) }) };
      return { ...known, standing: standings[standing].value, explanation: standings[standing].text };
    },
  };
}

const standings: Readonly<Record<EventStanding, { readonly value: Standing; readonly text: string }>> = {
  "not-stored": { value: Standing.NOT_STORED, text: "the receiver's log does not hold it: not stored yet, pruned, or no pattern matched" },
  waiting: { value: Standing.WAITING, text: "stored, and waits to be sent" },
  sent: { value: Standing.SENT, text: "sent in the open session, and not settled yet" },
  acked: { value: Standing.ACKED, text: "settled: it does not come again" },
  parked: { value: Standing.PARKED, text: "set aside by its subscriber, with the reason; retry or discard it" },
};

function toParked(row: ParkedRow): MessageInitShape<typeof ParkedEventSchema> {
  const { offset, reason, attempts, parkedAt, recordedAt, deliveryId, bytes } = row;
  return {
    offset,
    reason,
    attempts,
    parkedAt: timestampFromMs(parkedAt),
    recordedAt: timestampFromMs(recordedAt),
    retrying: deliveryId !== undefined,
    event: decodeEvent(bytes),
  };
}

function toQuarantined(row: QuarantineRow, payload: boolean): MessageInitShape<typeof QuarantinedEventSchema> {
  const { quarantineId, reason, detail, source = "", id = "", type = "", recordedAt, size, bytes } = row;
  const shown = payload ? { payload: bytes } : {};
  // What is set aside may be no text at all.
  const text = { source: source.toWellFormed(), id: id.toWellFormed(), type: type.toWellFormed() };
  return {
    quarantineId,
    reason,
    detail: detail.toWellFormed(),
    ...text,
    recordedAt: timestampFromMs(recordedAt),
    size: BigInt(size),
    ...shown,
  };
}

/** Text that PostgreSQL takes, not longer than is kept. */
function toReason(reason: string): string {
  if (reason.includes("\0")) throw new WarrenError("REQUEST_INVALID", "reason has a NUL character");
  return cutText(reason, Limits.pauseReasonBytes);
}

function toConsumer(view: ConsumerView, parkedCounts: ReadonlyMap<string, bigint> | undefined): MessageInitShape<typeof ConsumerSchema> {
  const { config, phase, stateSince, headOffset, settled, paused = "", expireAfterMs, ...rest } = view;
  const ackedOffset = settled.mark;
  const parked = parkedCounts === undefined ? {} : { parked: parkedCounts.get(view.name) ?? 0n };
  const lag = headOffset > ackedOffset ? headOffset - ackedOffset : 0n;
  return {
    ...rest,
    ...parked,
    ...(expireAfterMs === undefined ? {} : { expireAfter: durationFromMs(expireAfterMs) }),
    paused,
    headOffset,
    ackedOffset,
    settled: [...settled.ranges],
    lag,
    config: { patterns: [...config.patterns] },
    state: states[phase],
    stateSince: timestampFromMs(stateSince),
  };
}
