import type { Claim, MissedGap, PreparedEvents } from "@warren/event-store";
import { isWarrenError, Limits, TopicMatcher, WarrenError, type EncodedBatch, type Offset } from "@warren/protocol";
import { Tail } from "@warren/replay";
import type { ReceiverRow } from "@warren/state-store";
import type { Delivery, QueueConsumer } from "@warren/transport";
import { queueName } from "./config-key.ts";
import type { BudgetHolder } from "./receive-budget.ts";
import { backoff, type CoreDeps, type CoreOptions, type Shared } from "./core-deps.ts";
import type { ChannelView } from "./machine/channel-watch.ts";
import { isMoreThanSegment, type PendingMessage } from "./machine/pending-messages.ts";
import {
  startReceiver,
  stepReceiver,
  unstoredBytes,
  type ReceiverEffect,
  type ReceiverInput,
  type ReceiverState,
  type ReceiverStep,
} from "./machine/receiver-machine.ts";
import { pendingMessage, type UnpackDeps } from "./pending-message.ts";

/** What the writer tells its receiver. Called synchronously; must not throw. */
export interface WriterEvents {
  /** The head moved, and the tail has the segment, or nothing; or the tail was cut. */
  stored(): void;
  gapRecorded(gap: MissedGap): void;
  /** The log is ours: its head, its gaps. */
  claimed(claim: Claim): void;
  /** Another broker took the log. */
  fenced(): void;
}

/** The write side of one receiver: feeds its machine from the queue and the log, and carries out what it decides. */
export class ReceiverWriter {
  readonly tail: Tail;
  readonly #deps: CoreDeps;
  readonly #options: CoreOptions;
  readonly #row: ReceiverRow;
  readonly #shared: Shared;
  readonly #events: WriterEvents;
  readonly #unpackDeps: UnpackDeps;
  readonly #abort = new AbortController();
  #state: ReceiverState;
  #queue: QueueConsumer | undefined;
  #claim: Claim | undefined;
  #gaps: readonly MissedGap[] = [];
  #waitingFor: WarrenError | undefined = new WarrenError("STORE_UNAVAILABLE", "the log is not claimed yet");
  /** When the queue was last known to exist, by the wall clock. */
  #seenAt: number;
  #checking = false;
  /** The transport waits until the loss of the queue is recorded. */
  #missing: PromiseWithResolvers<void> | undefined;
  readonly #holder: BudgetHolder = { room: () => this.#dispatch({ kind: "room" }) };
  /** Something is to be done when the append is under way. */
  #behindAppend = false;
  /** Of the batch that is formed ahead. */
  #prepared: PreparedEvents | undefined;
  /** Not in the tail yet. */
  #stored: EncodedBatch | undefined;
  /** Delivered in this turn of the event loop. */
  #arrived: { readonly channel: number; readonly messages: PendingMessage[] } | undefined;
  /** Largest message since the queue was paused last, in bytes: its body, or what is held of it when that is more. */
  #largest = 0;

  constructor(deps: CoreDeps, options: CoreOptions, row: ReceiverRow, shared: Shared, events: WriterEvents) {
    this.#deps = deps;
    this.#options = options;
    this.#row = row;
    this.#shared = shared;
    this.#events = events;
    this.#unpackDeps = { ids: deps.ids, matcher: new TopicMatcher(row.config.patterns) };
    this.#seenAt = row.completeSince ?? deps.clock.wallMs();
    this.tail = new Tail(0n, shared.tails, () => this.#events.stored());
    const first = startReceiver();
    this.#state = first.state;
    queueMicrotask(() => this.#runAll(first));
  }

  get claim(): Claim | undefined {
    return this.#state.phase === "running" ? this.#claim : undefined;
  }

  get gaps(): readonly MissedGap[] {
    return this.#gaps;
  }

  get head(): Offset {
    return this.tail.head;
  }

  get consuming(): boolean {
    return this.#state.channel > 0;
  }

  /** How far the open channel is. */
  get channel(): ChannelView {
    const { channel, deliveredTag, ackedTag, ackedHead } = this.#state;
    return { channel, deliveredTag, ackedTag, ackedHead };
  }

  /** Retention moved the old end of the log. */
  pruned(oldestOffset: Offset): void {
    if (this.#claim !== undefined) this.#claim = { ...this.#claim, oldestOffset };
    this.tail.cut(oldestOffset);
    this.#events.stored();
  }

  /** Why it does not consume, or does not store. */
  get waitingFor(): WarrenError | undefined {
    return this.#waitingFor;
  }

  /** After `fenced`: takes the log again. Otherwise nothing happens. */
  reclaim(): void {
    this.#dispatch({ kind: "reclaim" });
  }

  /** Epoch of the claim, while nothing is stored whose answer would tell of a newer one. */
  get idleEpoch(): bigint | undefined {
    return this.#state.phase === "running" && this.#state.work.kind === "idle" ? this.#state.epoch : undefined;
  }

  /** Epoch and head as the database has them. */
  checked(epoch: bigint, head: Offset): void {
    this.#dispatch({ kind: "checked", epoch, head });
  }

  /** Asks the database whether this writer still holds the log. */
  async check(): Promise<void> {
    if (this.#checking || this.idleEpoch === undefined) return;
    this.#checking = true;
    try {
      const { epoch, headOffset } = await this.#deps.log.status(this.#row.receiverId, { signal: this.#abort.signal });
      this.checked(epoch, headOffset);
    } catch (error) {
      this.#deps.logger.debug("lease not checked", { error: messageOf(error) });
    } finally {
      this.#checking = false;
    }
  }

  /** Stops writing: un-acked messages go back to the queue, in order. An append under way may still be stored. Twice is fine. */
  async stop(): Promise<void> {
    const queue = this.#queue;
    this.#dispatch({ kind: "stop" });
    this.#abort.abort(new WarrenError("CLOSED", "the receiver was stopped"));
    this.#shared.budget.leave(this.#holder);
    this.tail.clear();
    this.#events.stored();
    await queue?.close();
  }

  #dispatch(input: ReceiverInput): void {
    this.#publish();
    this.#runAll(stepReceiver(this.#state, input));
  }

  #runAll({ state, effects }: ReceiverStep): void {
    this.#state = state;
    for (const effect of effects) this.#run(effect);
    if (state.work.kind === "appending") this.#afterAppend();
    if (!this.#shared.budget.hold(this.#holder, unstoredBytes(this.#state))) this.#dispatch({ kind: "shed" });
  }

  /** When the append is under way: what would have kept it waiting, while the database works. */
  #afterAppend(): void {
    if (this.#behindAppend) return;
    this.#behindAppend = true;
    this.#deps.defer(() => {
      this.#behindAppend = false;
      this.#publish();
      // Takes the next batch apart, so that it is ready when this one is stored; and forms it, unless more may come that belongs to it.
      if (this.#state.next === undefined && isMoreThanSegment(this.#state.queue)) this.#dispatch({ kind: "form-next" });
    });
  }

  /** Hands over what is stored. */
  #publish(): void {
    const segment = this.#stored;
    if (segment === undefined) return;
    this.#stored = undefined;
    this.tail.push(segment);
    this.#events.stored();
  }

  #run(effect: ReceiverEffect): void {
    switch (effect.kind) {
      case "claim":
        void this.#claimLog();
        return;
      case "consume":
        this.#consume();
        return;
      case "append":
        void this.#append(effect);
        return;
      case "prepare":
        this.#prepared = this.#deps.log.prepare(this.#row.receiverId, effect.events);
        return;
      case "resolve":
        void this.#resolve(effect.events);
        return;
      case "ack":
        this.#queue?.ackUpTo(effect.channel, effect.tag);
        return;
      case "publish":
        this.#shared.counters.eventsStored += effect.segment.count;
        this.#stored = effect.segment;
        // The next append first: to hand a segment to many consumers takes a while.
        if (this.#state.work.kind !== "appending") this.#publish();
        return;
      case "advance":
        this.tail.advance(effect.head);
        this.#events.stored();
        return;
      case "retry-later":
        this.#deps.clock.after(backoff(this.#deps, effect.attempt), () => this.#dispatch({ kind: "retry" }));
        return;
      case "count":
        this.#shared.counters.eventsReceived += effect.received;
        this.#shared.counters.repeatsDropped += effect.repeats;
        this.#shared.counters.quarantined += effect.quarantined;
        return;
      case "pause-queue":
        this.#deps.logger.warn("receiver gives deliveries back: too much waits to be stored", { heldBytes: this.#shared.budget.total });
        this.#queue?.pause();
        return;
      case "resume-queue":
        this.#queue?.resume(this.#shared.budget.share(this.#largest, this.#options.prefetch ?? Limits.prefetch));
        this.#largest = 0;
        return;
      case "record-missed":
        void this.#recordQueueMissing(effect.epoch);
        return;
      case "close-queue":
        this.#missing?.reject(new WarrenError("FENCED", "another broker owns this receiver's log"));
        void this.#queue?.close();
        this.#queue = undefined;
        return;
      case "give-up":
        this.#waitingFor = new WarrenError("FENCED", "another broker took this receiver's log");
        this.#deps.logger.warn("receiver fenced");
        this.#events.fenced();
    }
  }

  async #claimLog(): Promise<void> {
    const { log, state } = this.#deps;
    const { receiverId } = this.#row;
    const options = { signal: this.#abort.signal };
    try {
      const claim = await log.claim(receiverId, options);
      const gaps = await log.gaps(receiverId, 0n, options);
      // Whoever was awake on the broker before us is not any more.
      await state.markAsleep(receiverId, "all", options);
      this.#gaps = gaps.filter((gap) => gap.kind === "missed");
      this.#claim = claim;
      this.#waitingFor = undefined;
      this.#dispatch({ kind: "claimed", claim });
      this.#deps.logger.info("receiver claimed its log", { epoch: String(claim.epoch), headOffset: String(claim.headOffset) });
      this.#events.claimed(claim);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failed("log not claimed", error);
      this.#dispatch({ kind: "claim-failed" });
    }
  }

  #consume(): void {
    const { transport } = this.#deps;
    const { exchange } = this.#row.config;
    const queue = {
      name: queueName(this.#options.namespace, this.#row.configKey),
      patterns: this.#row.config.patterns,
      singleActiveConsumer: true,
    };
    this.#queue = transport.consume({
      topology: { exchange: { name: exchange, mode: "passive" }, queue },
      prefetch: this.#options.prefetch ?? Limits.prefetch,
      existing: true,
      queueMissing: () => this.#queueMissing(),
      handler: {
        opened: (channel) => {
          this.#waitingFor = undefined;
          this.#seenAt = this.#deps.clock.wallMs();
          this.#dispatch({ kind: "opened", channel });
        },
        delivered: (channel, delivery) => this.#delivered(channel, delivery),
        closed: (channel, reason) => {
          this.#seenAt = this.#deps.clock.wallMs();
          this.#deps.logger.info("receiver's channel closed", { reason: reason.kind, detail: reason.detail });
          this.#dispatch({ kind: "closed", channel });
        },
        waiting: (error) => {
          this.#waitingFor = error;
          this.#deps.logger.warn("receiver waits", { code: error.code, error: error.message });
        },
      },
    });
  }

  #delivered(channel: number, delivery: Delivery): void {
    const message = pendingMessage(delivery, this.#unpackDeps);
    this.#largest = Math.max(this.#largest, delivery.body.length, message.bytes);
    const arrived = this.#arrived;
    if (arrived?.channel === channel) {
      arrived.messages.push(message);
      return;
    }
    const first = { channel, messages: [message] };
    this.#arrived = first;
    // What one read of the socket brought is one input: it costs one step, and the first of it does not go into a batch alone.
    queueMicrotask(() => {
      if (this.#arrived === first) this.#arrived = undefined;
      this.#dispatch({ kind: "delivered", ...first });
    });
  }

  async #append(effect: Extract<ReceiverEffect, { kind: "append" }>): Promise<void> {
    const { epoch, head, events, quarantined } = effect;
    const prepared = this.#prepared;
    this.#prepared = undefined;
    this.#shared.counters.appends += 1;
    try {
      const request = { receiverId: this.#row.receiverId, epoch, headOffset: head, events, quarantined, prepared };
      const result = await this.#deps.log.append(request);
      if (this.#state.channel > 0) this.#waitingFor = undefined;
      if (result.kind === "refused") {
        this.#deps.logger.warn("the database refuses a batch; what it refuses is looked for and set aside", {
          detail: result.detail,
          events: events.length,
          quarantined: quarantined.length,
        });
      }
      this.#dispatch({ kind: "append-answered", result });
    } catch (error) {
      this.#failed("append failed", error);
      // Every other error of the log says that nothing was done: tried again with back-off.
      const unknown = isWarrenError(error, "OUTCOME_UNKNOWN") || !isWarrenError(error);
      this.#dispatch({ kind: unknown ? "append-unknown" : "append-failed" });
    }
  }

  async #resolve(events: Extract<ReceiverEffect, { kind: "resolve" }>["events"]): Promise<void> {
    const { log } = this.#deps;
    try {
      const known = await log.known(this.#row.receiverId, events);
      const { epoch, headOffset } = await log.status(this.#row.receiverId);
      this.#dispatch({ kind: "resolved", epoch, head: headOffset, known });
    } catch (error) {
      this.#failed("append not resolved", error);
      this.#dispatch({ kind: "resolve-failed" });
    }
  }

  /** W9: resolves when the loss is recorded; only then is the queue made again. */
  async #queueMissing(): Promise<void> {
    if (this.#state.phase !== "running") throw new WarrenError("FENCED", "another broker owns this receiver's log");
    this.#missing = Promise.withResolvers<void>();
    const { promise } = this.#missing;
    this.#dispatch({ kind: "queue-missing" });
    await promise;
  }

  async #recordQueueMissing(epoch: bigint): Promise<void> {
    const missing = this.#missing;
    this.#missing = undefined;
    const queue = queueName(this.#options.namespace, this.#row.configKey);
    try {
      await this.#record(epoch, this.#seenAt, this.#deps.clock.wallMs(), `queue ${queue} was gone`);
      missing?.resolve();
    } catch (error) {
      missing?.reject(error);
    }
  }

  /** W9: events of a time may be missing after the head. Times: milliseconds since 1970. STORE_UNAVAILABLE; FENCED when another broker has the log. */
  recordMissed(fromTime: number, toTime: number, reason: string): Promise<void> {
    return this.#record(this.#state.epoch, fromTime, toTime, reason);
  }

  async #record(epoch: bigint, fromTime: number, toTime: number, reason: string): Promise<void> {
    const missed = { receiverId: this.#row.receiverId, epoch, fromTime, toTime, reason };
    const gap = await this.#deps.log.recordMissed(missed, { signal: this.#abort.signal });
    this.#gaps = [...this.#gaps, gap];
    this.#deps.logger.error("events may have been missed", { reason, afterOffset: String(gap.afterOffset) });
    this.#events.gapRecorded(gap);
  }

  #failed(message: string, error: unknown): void {
    this.#waitingFor = isWarrenError(error) ? error : new WarrenError("ILLEGAL_STATE", messageOf(error), { cause: error });
    this.#deps.logger.warn(message, { error: messageOf(error) });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
