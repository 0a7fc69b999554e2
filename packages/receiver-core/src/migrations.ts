import { raiseMark, Times, WarrenError, type Clock, type Logger } from "@warren/protocol";
import type { EventLog } from "@warren/event-store";
import type { OffsetWriter, StateStore } from "@warren/state-store";
import { configKey, describeDifference } from "./config-key.ts";
import { findMigrationPlace } from "./migration-place.ts";
import type { Receiver } from "./receiver.ts";
import type { SessionStream } from "./session-stream.ts";
import type { NewSubscription } from "./subscription.ts";

/** What moving names between receivers needs. */
export interface MigrationDeps {
  readonly log: EventLog;
  readonly state: StateStore;
  readonly offsets: OffsetWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly receivers: () => Iterable<Receiver>;
}

/** Moves names whose config changed from the receiver of the old config to that of the new one. */
export class Migrations {
  readonly #deps: MigrationDeps;

  constructor(deps: MigrationDeps) {
    this.#deps = deps;
  }

  /** The receiver that has the name under another config. */
  otherReceiver({ consumer, config }: NewSubscription): Receiver | undefined {
    if (consumer === "") return undefined;
    const key = configKey(config);
    for (const receiver of this.#deps.receivers()) {
      if (receiver.row.configKey !== key && receiver.consumer(consumer) !== undefined) return receiver;
    }
    return undefined;
  }

  /** Throws CONFIG_MISMATCH when the name has another config and is not to change it. Returns whether it is to. */
  check(message: NewSubscription): boolean {
    const other = this.otherReceiver(message);
    if (other !== undefined && message.onConfigChange === "fail") throw mismatch(message, other);
    return other !== undefined;
  }

  /**
   * Moves the name to `receiver`, which is that of the message's config; while it has a session there, as `onConflict` says. Returns the key of the receiver
   * it was moved from; undefined: it is not elsewhere (any more), or the stream ended. CONFIG_MISMATCH, CONSUMER_BUSY, FENCED, STORE_UNAVAILABLE.
   */
  async move(message: NewSubscription, receiver: Receiver, stream: SessionStream): Promise<string | undefined> {
    const { log, state, offsets, logger } = this.#deps;
    const name = message.consumer;
    for (let from = this.otherReceiver(message); from !== undefined && !stream.ended; from = this.otherReceiver(message)) {
      if (!(await this.#mayHave(message, from, stream))) continue;
      // What was acked until now is in the row that is looked at.
      await offsets.flush();
      const row = await state.consumer(name, { signal: stream.signal });
      if (row?.receiverId !== from.row.receiverId) {
        // Moved there by a statement whose answer was lost; deleted or moved by another broker.
        from.forget(name, takenOver(name));
        if (row?.receiverId === receiver.row.receiverId) receiver.adopt(row);
        else if (row !== undefined) throw new WarrenError("FENCED", `consumer ${name} was moved by another broker; open again`);
        continue;
      }
      // Asked again with the move itself; here before anything is recorded for it.
      const aside = (await state.parkedCounts({ signal: stream.signal })).get(name);
      if (aside !== undefined) throw parked(name, aside);
      const settled = raiseMark({ mark: row.ackedOffset, ranges: row.ranges }, row.ackedOffset);
      const migrant = { name, settled, createdAt: row.createdAt, from: from.row, to: receiver.row };
      const place = await findMigrationPlace(log, migrant, { signal: stream.signal });
      if (place.missed !== undefined) {
        const { fromTime, toTime } = place.missed;
        await receiver.recordMissed(fromTime, toTime, `consumer ${name} came from another config, and this receiver was made later`);
      }
      const result = await state.migrateConsumer({
        name,
        fromReceiverId: from.row.receiverId,
        sessionToken: row.sessionToken,
        toReceiverId: receiver.row.receiverId,
        ackedOffset: place.settled.mark,
        ranges: place.settled.ranges,
      });
      if (result.kind === "parked") throw parked(name, result.count);
      if (result.kind === "retired") throw receiver.gone();
      if (result.kind === "changed") continue;
      from.forget(name, takenOver(name));
      receiver.adopt(result.consumer);
      logger.info("consumer migrated", {
        consumer: name,
        from: from.row.configKey,
        to: receiver.row.configKey,
        ackedOffset: String(place.settled.mark),
      });
      return from.row.configKey;
    }
    return undefined;
  }

  /** W6, while the name has a session under the old config. False: look again. */
  async #mayHave(message: NewSubscription, from: Receiver, stream: SessionStream): Promise<boolean> {
    const consumer = from.consumer(message.consumer);
    if (consumer === undefined) return false;
    if (consumer.idle || consumer.yieldsTo(message)) return true;
    if (message.onConflict === "reject") {
      throw new WarrenError("CONSUMER_BUSY", "the consumer name has a session, under another config; wait with STANDBY, or use TAKE_OVER");
    }
    stream.push({ kind: "standby", activeSince: consumer.stateSince });
    const { promise: later, resolve } = Promise.withResolvers<void>();
    const timer = this.#deps.clock.after(Times.heartbeatMs, resolve);
    stream.signal.addEventListener("abort", () => resolve(), { once: true });
    await Promise.race([later, consumer.whenIdle()]);
    timer.cancel();
    return false;
  }
}

function mismatch({ consumer, config }: NewSubscription, other: Receiver): WarrenError {
  const difference = describeDifference(other.row.config, config);
  return new WarrenError(
    "CONFIG_MISMATCH",
    `consumer ${consumer} exists with another config (${difference}); use its config, another name, or on_config_change MIGRATE`,
  );
}

function parked(name: string, count: bigint): WarrenError {
  return new WarrenError(
    "CONFIG_MISMATCH",
    `consumer ${name} has ${count} parked events of its old config; retry or discard them first (\`warren consumer parked ls ${name}\`), then open again`,
  );
}

function takenOver(name: string): WarrenError {
  return new WarrenError("TAKEN_OVER", `a newer session has consumer ${name}, with another config; do not reconnect, or use another name`);
}
