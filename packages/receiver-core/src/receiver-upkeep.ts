import { isWarrenError, Limits, type Offset } from "@warren/protocol";
import type { ConsumerRow, RetentionPolicy, Sleeper } from "@warren/state-store";
import type { CoreDeps } from "./core-deps.ts";
import { unwatched, watchChannel, type ChannelWatch } from "./machine/channel-watch.ts";
import { effectsOf, extendPlan, startPlan, type Reader, type ReaderEffect, type RetentionPlan } from "./machine/retention.ts";
import type { ReceiverWriter } from "./receiver-writer.ts";

/** The oldest segment tells whether any may go: most logs are not looked at further. */
const firstPageSegments = 1;
/** Segments looked at in each further page. */
const pageSegments = 2_000;
/** Pages looked at for one step, the first included: more than it can remove, and not all of a log that somebody holds. */
const pagesPerStep = 4;
/** Names of who holds a log. */
const namesKept = 100;

/** What a retention would do, or did. */
export interface RetentionOutcome {
  readonly events: bigint;
  readonly bytes: number;
  readonly effects: readonly ReaderEffect[];
}

/** What retention found when it last looked. */
export interface Kept {
  readonly bytes: number;
  /** Sleeping consumers that hold events, furthest behind first. */
  readonly heldBy: readonly string[];
  /** Oldest offset that is held; 0n: nothing is. */
  readonly heldFrom: Offset;
}

/** What upkeep needs of its receiver. */
export interface UpkeepOwner {
  readonly receiverId: bigint;
  readonly writer: Pick<ReceiverWriter, "claim" | "channel" | "pruned" | "check">;
  retention(): RetentionPolicy;
  /** Consumers that fell asleep and are not known to the state store as such. Token undefined: it must be asked for. */
  sleepers(): readonly { readonly name: string; readonly sessionToken: bigint | undefined }[];
  saidAsleep(sleepers: readonly Sleeper[]): void;
  expired(consumer: ConsumerRow): void;
  pruned(events: number): void;
  /** Runs while no name is being claimed, and none is claimed meanwhile; undefined when that cannot be now. */
  exclusively<T>(run: () => Promise<T>): Promise<T | undefined>;
}

/** Keeps one receiver in order: retention of its log, and consumers that sleep too long. Only for who owns the log. */
export class ReceiverUpkeep {
  readonly #deps: Pick<CoreDeps, "log" | "state" | "offsets" | "clock" | "logger">;
  readonly #owner: UpkeepOwner;
  #kept: Kept = { bytes: 0, heldBy: [], heldFrom: 0n };
  #watch: ChannelWatch = unwatched;

  constructor(deps: Pick<CoreDeps, "log" | "state" | "offsets" | "clock" | "logger">, owner: UpkeepOwner) {
    this.#deps = deps;
    this.#owner = owner;
  }

  get kept(): Kept {
    return this.#kept;
  }

  /** One pass. Throws STORE_UNAVAILABLE; FENCED when another broker has the log. */
  async pass(): Promise<void> {
    if (this.#owner.writer.claim === undefined) return;
    await this.#expire();
    this.#watch = watchChannel(this.#watch, this.#owner.writer.channel);
    for (let more = true; more;) {
      const step = await this.#owner.exclusively(() => this.#prune());
      more = step ?? false;
    }
  }

  /** What a retention would do now. Errors as of `EventLog.sizes`. */
  async preview(policy: RetentionPolicy, options: { readonly signal: AbortSignal }): Promise<RetentionOutcome> {
    await this.#deps.offsets.flush();
    return outcomeOf(await this.#plan(policy, await this.#readers(options), Infinity, options));
  }

  /** One step; whether there is more to do. */
  async #prune(): Promise<boolean> {
    const { log, offsets, logger } = this.#deps;
    const { receiverId, writer } = this.#owner;
    const policy = this.#owner.retention();
    // What is saved counts, for a crash must not bring a consumer back to what is gone; and of every consumer, for another broker may have made some.
    await offsets.flush();
    const readers = await this.#readers({});
    const plan = await this.#plan(policy, readers, pagesPerStep);
    const holding = effectsOf(plan).filter(({ holds, asleep }) => holds > 0n && asleep);
    this.#kept = {
      bytes: plan.keptBytes,
      heldBy: holding.slice(0, namesKept).map(({ name }) => name),
      heldFrom: holding.length === 0 ? 0n : plan.goneTo + 1n,
    };
    const { claim } = writer;
    // The channel may be another one since this pass began.
    const safeTo = writer.channel.channel === this.#watch.channel ? this.#watch.safeTo : 0n;
    const goneTo = plan.goneTo < safeTo ? plan.goneTo : safeTo;
    if (claim === undefined || goneTo <= plan.wasGoneTo) return false;
    const request = {
      receiverId,
      epoch: claim.epoch,
      beforeOffset: goneTo + 1n,
      reason: describePolicy(policy),
      maxEvents: Limits.pruneEvents,
    };
    try {
      const { oldestOffset, bytes, more } = await log.prune(request);
      writer.pruned(oldestOffset);
      this.#kept = { ...this.#kept, bytes: plan.keptBytes - bytes };
      this.#owner.pruned(Number(oldestOffset - claim.oldestOffset));
      logger.info("events pruned", { receiverId: String(receiverId), oldestOffset: String(oldestOffset), bytes, reason: request.reason });
      return more;
    } catch (error) {
      if (isWarrenError(error, "FENCED")) await writer.check();
      throw error;
    }
  }

  async #readers(options: { readonly signal?: AbortSignal }): Promise<readonly Reader[]> {
    const rows = await this.#deps.state.readers(this.#owner.receiverId, options);
    return rows.map(({ name, ackedOffset, asleep }) => ({ name, mark: ackedOffset, asleep }));
  }

  async #plan(
    policy: RetentionPolicy,
    readers: readonly Reader[],
    pages: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<RetentionPlan> {
    const { log, clock } = this.#deps;
    const { receiverId } = this.#owner;
    const { headOffset, oldestOffset } = await log.status(receiverId, options);
    let page = await log.sizes(receiverId, oldestOffset - 1n, firstPageSegments, options);
    const { keptBytes } = page;
    let plan = startPlan(policy, readers, { headOffset, oldestOffset, keptBytes, now: clock.wallMs() });
    for (let read = 1; !plan.complete; read += 1) {
      plan = extendPlan(plan, page.segments);
      if (plan.complete || read >= pages) break;
      page = await log.sizes(receiverId, plan.wantedTo, pageSegments, options);
    }
    return plan;
  }

  async #expire(): Promise<void> {
    const { state, logger } = this.#deps;
    const { receiverId } = this.#owner;
    await this.#owner.exclusively(async () => {
      const sleepers: Sleeper[] = [];
      for (const { name, sessionToken } of this.#owner.sleepers()) {
        const token = sessionToken ?? (await state.consumer(name))?.sessionToken;
        sleepers.push({ name, sessionToken: token ?? 0n });
      }
      await state.markAsleep(receiverId, sleepers);
      this.#owner.saidAsleep(sleepers);
      for (const consumer of await state.expireConsumers(receiverId)) {
        this.#owner.expired(consumer);
        const { name, ackedOffset, expireAfterMs } = consumer;
        logger.info("consumer expired", { consumer: name, ackedOffset: String(ackedOffset), expireAfterMs });
      }
    });
  }
}

function outcomeOf(plan: RetentionPlan): RetentionOutcome {
  return { events: plan.goneTo - plan.wasGoneTo, bytes: plan.goneBytes, effects: effectsOf(plan) };
}

/** For whoever meets the gap. One policy is one text, so that its gaps join. */
function describePolicy({ maxAgeMs, maxBytes, untilAcked }: RetentionPolicy): string {
  const limits = [
    ...(maxAgeMs === undefined ? [] : [`at most ${maxAgeMs / 1_000} s`]),
    ...(maxBytes === undefined ? [] : [`at most ${maxBytes} bytes`]),
    ...(untilAcked ? ["until every consumer has them"] : []),
  ];
  return `retention: events are kept ${limits.join(", ")}`;
}
