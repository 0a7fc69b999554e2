import type { Claim, MissedGap } from "@warren/event-store";
import { raiseMark, WarrenError, type Offset, type Settled } from "@warren/protocol";
import type { ConsumerRow, ReceiverRow, RetentionPolicy } from "@warren/state-store";
import { describeDifference, queueName } from "./config-key.ts";
import type { Leased } from "./lease-check.ts";
import { NameClaims } from "./name-claims.ts";
import { Consumer, type ClaimedName, type ConsumerHost } from "./consumer.ts";
import { backoff, type CoreDeps, type CoreOptions, type Shared } from "./core-deps.ts";
import { ReceiverUpkeep } from "./receiver-upkeep.ts";
import { ReceiverWriter } from "./receiver-writer.ts";
import type { SessionStream } from "./session-stream.ts";
import { startOffset, storedHead } from "./start-offset.ts";
import type { ConsumerView, NewSubscription, ReceiverView, StartFrom, StopReason } from "./subscription.ts";

/**
 * The internal receiver of one config: one queue, one log, its consumers in two dictionaries. It goes on storing whether or not anyone
 * listens. Made by the ReceiverManager only.
 */
export class Receiver implements Leased {
  readonly row: ReceiverRow;
  readonly upkeep: ReceiverUpkeep;
  retention: RetentionPolicy;
  /** By the monotonic clock: nobody used it since; that it is used was saved; upkeep was done. */
  unusedSince: number;
  usedSaidAt = -Infinity;
  keptAt = -Infinity;
  readonly #deps: CoreDeps;
  readonly #options: CoreOptions;
  readonly #shared: Shared;
  readonly #writer: ReceiverWriter;
  /** Consumers with a session, by name. */
  readonly #active = new Map<string, Consumer>();
  /** Consumers without one: a name and an offset, nothing else. */
  readonly #sleeping = new Map<string, Consumer>();
  /** Subscriptions without a name, by session id. */
  readonly #ephemeral = new Map<string, Consumer>();
  #claimWaiters: (() => void)[] = [];
  readonly #host: ConsumerHost;
  readonly #claims = new NameClaims();
  #queueDepth: number | undefined;
  readonly #retired: () => void;

  /** `retired`: the state store says that it is retiring, or gone. */
  constructor(
    deps: CoreDeps,
    options: CoreOptions,
    row: ReceiverRow,
    consumers: readonly ConsumerRow[],
    shared: Shared,
    retired: () => void,
  ) {
    this.row = row;
    this.retention = row.retention;
    this.unusedSince = deps.clock.monotonicMs();
    this.#retired = retired;
    this.#deps = { ...deps, logger: deps.logger.child({ receiver: row.configKey, patterns: row.config.patterns }) };
    this.#options = options;
    this.#shared = shared;
    this.#host = this.#makeHost();
    for (const kept of consumers) this.#sleeping.set(kept.name, this.#newConsumer(kept.name, kept));
    this.#writer = new ReceiverWriter(this.#deps, options, row, shared, {
      stored: () => this.#stored(),
      gapRecorded: (gap) => this.#toAwake((consumer) => consumer.dispatch({ kind: "gap-recorded", gap })),
      claimed: () => this.#claimed(),
      fenced: () => this.shut(new WarrenError("FENCED", "another broker owns this receiver now; open again")),
    });
    this.upkeep = new ReceiverUpkeep(this.#deps, {
      receiverId: row.receiverId,
      writer: this.#writer,
      retention: () => this.retention,
      sleepers: () => this.#claims.unsaid((name) => this.#sleeping.get(name)?.idle === true),
      saidAsleep: (sleepers) => this.#claims.said(sleepers),
      expired: ({ name }) => {
        this.#shared.counters.consumersExpired += 1;
        this.forget(name, new WarrenError("CONSUMER_DELETED", `consumer ${name} slept for too long and was forgotten`));
      },
      pruned: (events) => {
        this.#shared.counters.eventsPruned += events;
      },
      exclusively: (run) => this.#claims.exclusively(run),
    });
  }

  /** Adds the session to the consumer of its name, which is found, or made asleep and woken. */
  open(message: NewSubscription, stream: SessionStream): void {
    const name = message.consumer;
    if (name === "") {
      const consumer = this.#newConsumer("", undefined);
      this.#ephemeral.set(stream.sessionId, consumer);
      consumer.open(message, stream);
      return;
    }
    let consumer = this.consumer(name);
    if (consumer === undefined) {
      consumer = this.#newConsumer(name, undefined);
      this.#sleeping.set(name, consumer);
    }
    consumer.open(message, stream);
  }

  /** Stops everything the consumer does for a session and puts it to sleep: it moves from active to sleeping, name and offset kept. */
  sleepConsumer(name: string, sessionId: string, reason: StopReason): void {
    const consumer = name === "" ? this.#ephemeral.get(sessionId) : this.consumer(name);
    consumer?.dispatch({ kind: "stop", sessionId, reason });
  }

  consumer(name: string): Consumer | undefined {
    return this.#active.get(name) ?? this.#sleeping.get(name);
  }

  /** Ends the sessions of a consumer that was deleted, and forgets it. */
  forget(name: string, error: WarrenError): void {
    const consumer = this.consumer(name);
    consumer?.dispatch({ kind: "shut", error });
    this.#active.delete(name);
    this.#sleeping.delete(name);
    if (this.#shared.awake.get(name) === consumer) this.#shared.awake.delete(name);
  }

  /** A name came from another receiver: it is asleep here. */
  adopt(row: ConsumerRow): void {
    this.#sleeping.set(row.name, this.#newConsumer(row.name, row));
  }

  /** The state store says that it is retiring, or gone: it is forgotten here too. Returns what to tell who wanted it. */
  gone(): WarrenError {
    this.#retired();
    return new WarrenError("FENCED", "the receiver was removed at this moment; open again, it is made anew");
  }

  /** Records that events of a time may be missing in this log, and tells whoever passes (W9). STORE_UNAVAILABLE, FENCED. */
  async recordMissed(fromTime: number, toTime: number, reason: string): Promise<void> {
    await this.#whenClaimed();
    await this.#writer.recordMissed(fromTime, toTime, reason);
  }

  /** Where `start` is in this receiver's log. Errors as of `startOffset`. */
  async startOffset(start: StartFrom, options: { readonly signal: AbortSignal }): Promise<Offset> {
    const claim = await this.#whenClaimed();
    return startOffset(start, this.#deps.log, this.row.receiverId, { ...claim, headOffset: this.#writer.head }, options);
  }

  /** It has consumers, or sessions. */
  get inUse(): boolean {
    return this.#active.size + this.#sleeping.size + this.#ephemeral.size > 0;
  }

  /** The log is ours. */
  get owned(): boolean {
    return this.#writer.claim !== undefined;
  }

  /** Asks RabbitMQ what waits in the queue; unknown while it does not answer. */
  async measureQueue(): Promise<void> {
    const { transport } = this.#deps;
    const queue = queueName(this.#options.namespace, this.row.configKey);
    // A connection that is being made is not waited for.
    const known = transport.status.kind === "connecting" ? undefined : transport.queueDepth(queue).catch(() => undefined);
    this.#queueDepth = await known;
  }

  get receiverId(): bigint {
    return this.row.receiverId;
  }

  get idleEpoch(): bigint | undefined {
    return this.#writer.idleEpoch;
  }

  checked(epoch: bigint, head: Offset): void {
    this.#writer.checked(epoch, head);
  }

  /** Looks for silent sessions. Called about every second. */
  tick(): void {
    this.#toAwake((consumer) => consumer.dispatch({ kind: "tick" }));
    // A name that could not be opened, and never was.
    for (const [name, consumer] of this.#sleeping) if (consumer.idle && !consumer.stored) this.#sleeping.delete(name);
  }

  /** Ends all sessions with `error`; their consumers sleep. */
  shut(error: WarrenError): void {
    this.#toAwake((consumer) => consumer.dispatch({ kind: "shut", error }));
    for (const consumer of this.#sleeping.values()) if (!consumer.idle) consumer.dispatch({ kind: "shut", error });
  }

  /** Stops consuming. Twice is fine. */
  stop(): Promise<void> {
    return this.#writer.stop();
  }

  view(): ReceiverView {
    const { claim, head } = this.#writer;
    return {
      receiverKey: this.row.configKey,
      config: this.row.config,
      queue: queueName(this.#options.namespace, this.row.configKey),
      logId: claim?.logId ?? "",
      headOffset: head,
      oldestOffset: claim?.oldestOffset ?? 1n,
      consuming: this.#writer.consuming,
      waitingFor: this.#writer.waitingFor,
      completeSince: this.row.completeSince,
      activeConsumers: this.#active.size + this.#ephemeral.size,
      sleepingConsumers: this.#sleeping.size,
      retention: this.retention,
      kept: this.upkeep.kept,
      queueDepth: this.#queueDepth,
    };
  }

  consumerViews(): readonly ConsumerView[] {
    return [...this.#active.values(), ...this.#sleeping.values()].map((consumer) => ({
      name: consumer.name,
      receiverKey: this.row.configKey,
      config: this.row.config,
      phase: consumer.phase,
      settled: consumer.settled,
      sentOffset: consumer.sentOffset,
      headOffset: this.#writer.head,
      sessionToken: consumer.sessionToken,
      stateSince: consumer.stateSince,
      standbySessions: consumer.standbySessions,
      paused: consumer.paused,
      expireAfterMs: consumer.expireAfterMs,
    }));
  }

  #newConsumer(name: string, kept: ConsumerRow | undefined): Consumer {
    const settled = { mark: kept?.ackedOffset ?? 0n, ranges: kept?.ranges ?? [] };
    const { paused, expireAfterMs } = kept ?? { paused: undefined, expireAfterMs: undefined };
    return new Consumer(this.#host, name, { settled, paused, expireAfterMs, stored: kept !== undefined });
  }

  #makeHost(): ConsumerHost {
    const { log, clock, logger, offsets, state } = this.#deps;
    return {
      receiverId: this.row.receiverId,
      log,
      clock,
      logger,
      chunk: this.#options.chunk,
      tail: () => this.#writer.tail,
      claim: (message: NewSubscription, signal: AbortSignal) => this.#claims.run(message.consumer, () => this.#claimName(message, signal)),
      save: (consumer: Consumer, token: bigint, settled: Settled) => {
        if (consumer.name === "") consumer.dispatch({ kind: "saved", token, settled });
        else offsets.ack(consumer.name, token, settled);
      },
      store: state,
      backoff: (attempt: number) => backoff(this.#deps, attempt),
      sent: (events: number) => {
        this.#shared.counters.eventsSent += events;
      },
      moved: (consumer: Consumer, awake: boolean) => this.#moved(consumer, awake),
    };
  }

  #moved(consumer: Consumer, awake: boolean): void {
    const { name } = consumer;
    if (name === "") {
      // It has one session in its life.
      if (!awake) for (const [sessionId, each] of this.#ephemeral) if (each === consumer) this.#ephemeral.delete(sessionId);
      return;
    }
    const [from, to] = awake ? [this.#sleeping, this.#active] : [this.#active, this.#sleeping];
    if (from.get(name) !== consumer) return;
    from.delete(name);
    to.set(name, consumer);
    if (awake) {
      this.#shared.awake.set(name, consumer);
    } else if (this.#shared.awake.get(name) === consumer) {
      this.#shared.awake.delete(name);
      this.#deps.offsets.forget(name);
    }
  }

  /** Takes a name in the state store, and finds where its session begins. Waits for the log to be claimed. */
  async #claimName(message: NewSubscription, signal: AbortSignal): Promise<ClaimedName> {
    const { state, log, offsets } = this.#deps;
    const claim = await this.#whenClaimed();
    const { receiverId, configKey } = this.row;
    const current = { ...claim, headOffset: this.#writer.head };
    const grant = { receiverKey: configKey, logId: claim.logId, migratedFrom: message.migratedFrom ?? "" };
    if (message.consumer === "") {
      checkKnownLog(message, claim);
      const after = await startOffset(message.start, log, receiverId, current, { signal });
      const ephemeral = { settled: { mark: after, ranges: [] }, moves: 0n, paused: undefined, retrying: false, expireAfterMs: undefined };
      return { ...grant, ...ephemeral, token: await state.nextToken({ signal }), resumed: false, gaps: this.#gapsAfter(after, 0) };
    }
    // What the last session acked is saved first, so that it does not come again.
    await offsets.flush();
    const existing = await state.consumer(message.consumer, { signal });
    // What the subscriber knows of a place before a move counts no more: a migration is one too, and there the log is another.
    if (message.known !== undefined && (existing?.moves ?? 0n) <= message.known.moves) checkKnownLog(message, claim);
    const start = existing === undefined ? await startOffset(message.start, log, receiverId, current, { signal }) : existing.ackedOffset;
    const { expireAfterMs: wanted } = message;
    const claimed = await state.claimConsumer(message.consumer, receiverId, start, { signal, expireAfterMs: wanted });
    if (claimed.kind === "retired") throw this.gone();
    if (claimed.kind === "other-receiver") {
      const difference = describeDifference(claimed.config, this.row.config);
      throw new WarrenError(
        "CONFIG_MISMATCH",
        `consumer ${message.consumer} exists with another config (${difference}); use its config, or another name`,
      );
    }
    const { ackedOffset, ranges, sessionToken, createdAt, moves, paused, expireAfterMs } = claimed.consumer;
    this.#claims.claimed(message.consumer, sessionToken);
    await this.#checkNotAhead(message.consumer, ackedOffset, signal);
    const known = message.known?.moves === moves ? message.known.offset : 0n;
    await this.#checkNotAhead(message.consumer, known, signal);
    const settled = raiseMark({ mark: ackedOffset, ranges }, known);
    if (known > ackedOffset) offsets.ack(message.consumer, sessionToken, settled);
    const retrying = (await state.retrying(message.consumer, 0n, 1, { signal })).length > 0;
    const gaps = this.#gapsAfter(settled.mark, createdAt);
    return { ...grant, token: sessionToken, settled, resumed: !claimed.created, gaps, moves, paused, retrying, expireAfterMs };
  }

  /** W9: an offset above the head means that the log lost events it once had (or that another broker is ahead of us). */
  async #checkNotAhead(name: string, offset: Offset, signal: AbortSignal): Promise<void> {
    if (offset <= this.#writer.head) return;
    const head = await storedHead(this.#deps.log, this.row.receiverId, this.#writer.claim?.epoch, { signal });
    if (offset <= head) return;
    const text = `consumer ${name} is at offset ${offset}, but the log ends at ${head}: the database lost events it once had`;
    throw new WarrenError("LOG_LOST", text);
  }

  #gapsAfter(afterOffset: Offset, since: number): readonly MissedGap[] {
    return this.#writer.gaps.filter((gap) => gap.afterOffset >= afterOffset && gap.toTime >= since);
  }

  async #whenClaimed(): Promise<Claim> {
    const { claim, waitingFor } = this.#writer;
    if (claim !== undefined) return claim;
    this.#writer.reclaim();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#claimWaiters.push(resolve);
    const timer = this.#deps.clock.after(claimWaitMs, resolve);
    await promise;
    timer.cancel();
    const now = this.#writer.claim;
    if (now === undefined) throw waitingFor ?? new WarrenError("STORE_UNAVAILABLE", "the log could not be claimed yet; open again");
    return now;
  }

  #claimed(): void {
    const waiters = this.#claimWaiters;
    this.#claimWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #stored(): void {
    const { head, first, newest } = this.#writer.tail;
    this.#toAwake((consumer) => consumer.dispatch({ kind: "stored", head, tailFirst: first, newest }));
  }

  #toAwake(run: (consumer: Consumer) => void): void {
    for (const consumer of this.#active.values()) run(consumer);
    for (const consumer of this.#ephemeral.values()) run(consumer);
  }
}

function checkKnownLog({ known }: NewSubscription, { logId }: Claim): void {
  if (known === undefined || known.logId === logId) return;
  const text = `the log is ${logId}, not ${known.logId}: it was restored or made anew; open without known_log_id to go on`;
  throw new WarrenError("LOG_LOST", text);
}

/** How long an open waits for a log that is not claimed, before it is told why. */
const claimWaitMs = 5_000;
