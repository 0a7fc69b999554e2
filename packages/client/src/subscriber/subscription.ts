import { backoffDelay, isWarrenError, Times, WarrenError, type Clock, type ErrorCode, type Timer } from "@warren/protocol";
import type { Frame, Gap, Refused, SideFrame } from "@warren/protocol/v1";
import { fromConnectError } from "../from-connect-error.ts";
import { startSession, stepSession, type SessionEffect, type SessionInput, type SessionState } from "../machine/session-machine.ts";
import { AckBuffer, type AckedBatch } from "./ack-buffer.ts";
import { AckWindow } from "./ack-window.ts";
import { EventQueue } from "./event-queue.ts";
import { readReceived } from "./read-received.ts";
import { runHandlers, type Handler, type RunOptions } from "./run-handlers.ts";
import type { OpenStream, SubscriberStream } from "./stream.ts";
import { SettleableEvent, type Settle, type SubscribedEvent } from "./subscribed-event.ts";
import { toOpen, type SubscriptionOptions, type SubscriptionStatus } from "./subscription-options.ts";

/** What a subscription needs. */
export interface SubscriptionDeps {
  readonly open: OpenStream;
  readonly clock: Clock;
  readonly random: () => number;
  readonly instanceId: string;
  /** Runs something when this turn of the event loop ends. */
  readonly defer: (run: () => void) => void;
}

/** Events that may wait for the application before the broker is not asked for more. */
const queueLimit = 1_000;
/** How long closing waits for acks to be heard. */
const closeMs = 2_000;
/** Status changes kept for who asks late. */
const statusLimit = 100;

/**
 * One subscription: connects, resumes and connects again until closed. Consume it one way: `run`, or `for await`. It ends, for good, with an error
 * when opening again would not help: TAKEN_OVER, CONFIG_MISMATCH, PAST_NOT_AVAILABLE, LOG_LOST and the like.
 */
export class Subscription implements AsyncIterable<SubscribedEvent>, AsyncDisposable {
  readonly #deps: SubscriptionDeps;
  readonly #options: SubscriptionOptions;
  readonly #request: ReturnType<typeof toOpen>;
  readonly #queue = new EventQueue<SubscribedEvent>(queueLimit);
  readonly #statuses = new Set<EventQueue<SubscriptionStatus>>();
  #state: SessionState;
  readonly #acks = new AckBuffer();
  #acksDeferred = false;
  #ackTimer: Timer | undefined;
  readonly #window: AckWindow;
  readonly #ended = new AbortController();
  #stream: { readonly stream: SubscriberStream; readonly abort: AbortController } | undefined;
  #streams: Promise<void> = Promise.resolve();
  #lastError: WarrenError | undefined;
  #lastStatus: SubscriptionStatus = { kind: "connecting" };
  #retry: Timer | undefined;
  #watchdog: Timer | undefined;
  #pinger: Timer | undefined;

  constructor(deps: SubscriptionDeps, options: SubscriptionOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#window = new AckWindow(options);
    this.#request = toOpen(options, options.instanceId ?? deps.instanceId);
    const first = startSession();
    this.#state = first.state;
    queueMicrotask(() => {
      for (const effect of first.effects) this.#run(effect);
    });
  }

  /** The newest status. */
  get current(): SubscriptionStatus {
    return this.#lastStatus;
  }

  /** Saved: nothing at or below it comes again. */
  get ackedOffset(): bigint {
    return this.#state.saved.mark;
  }

  /** Events one by one. Breaking the loop closes the subscription. */
  [Symbol.asyncIterator](): AsyncIterator<SubscribedEvent, undefined, undefined> {
    return {
      next: () => {
        // Not an async generator: that is three promises for each event.
        const event = this.#queue.takeNow();
        return event === undefined ? this.#next() : Promise.resolve({ done: false, value: event });
      },
      return: async () => {
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }

  /**
   * Calls `handler` for each event; returning acks it. Resolves when the subscription was closed or `signal` aborted, after handlers under way have ended.
   * A handler that throws is called again with back-off; after `retries` failures the event is parked and the rest goes on (see `RunOptions`). Throws what
   * ended the subscription, CONFIG_INVALID for options that make no sense.
   */
  run(handler: Handler, options: RunOptions = {}): Promise<void> {
    const named = this.#options.consumer !== undefined && this.#options.consumer !== "";
    const tell = (status: SubscriptionStatus): void => this.#tell(status);
    return runHandlers(this.#queue, handler, options, { ...this.#deps, named, tell, ended: this.#ended.signal, close: () => this.close() });
  }

  /** Every change of status from now on, the newest one first. Ends when the subscription does; a reader that is slow misses the oldest. */
  async *status(): AsyncGenerator<SubscriptionStatus, void, undefined> {
    const queue = new EventQueue<SubscriptionStatus>(statusLimit);
    this.#statuses.add(queue);
    try {
      yield this.#lastStatus;
      for (;;) {
        const next = await queue.take();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      this.#statuses.delete(queue);
    }
  }

  /**
   * Ends the subscription: what was acked and parked is told to the broker first (for at most 2 s), then the consumer sleeps. Events not handed over are
   * dropped: they come again. Twice is fine.
   */
  async close(): Promise<void> {
    this.#dispatch({ kind: "close" });
    await this.#streams;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The next event when it comes. The subscription is closed when there is none. */
  async #next(): Promise<IteratorResult<SubscribedEvent, undefined>> {
    try {
      const next = await this.#queue.take();
      if (next.done === true) await this.close();
      return next;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * What is done is told together: in one turn of the event loop when the broker may soon have to wait for it, else within `Times.ackDelayMs`. At a low rate a message for
   * each ack would cost both sides as much as the event.
   */
  #ack(batch: AckedBatch, index: number): void {
    if (!this.#acks.takes(batch.moves)) this.#tellAcks();
    this.#acks.add(batch, index);
    if (!this.#window.isFilling) {
      this.#ackTimer ??= this.#deps.clock.after(Times.ackDelayMs, () => this.#tellAcks());
      return;
    }
    if (this.#acksDeferred) return;
    this.#acksDeferred = true;
    this.#deps.defer(() => {
      this.#acksDeferred = false;
      this.#tellAcks();
    });
  }

  #tellAcks(): void {
    this.#ackTimer?.cancel();
    this.#ackTimer = undefined;
    const done = this.#acks.take();
    if (done === undefined) return;
    this.#window.acked(done.ranges.reduce((sum, { first, last }) => sum + Number(last - first) + 1, 0));
    this.#step(done);
  }

  /** What the application did before comes first; for more events that makes no difference. */
  #dispatch(input: SessionInput): readonly SessionEffect[] {
    if (input.kind !== "batch") this.#tellAcks();
    return this.#step(input);
  }

  #step(input: SessionInput): readonly SessionEffect[] {
    const { state, effects } = stepSession(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
    return effects;
  }

  #run(effect: SessionEffect): void {
    switch (effect.kind) {
      case "connect":
        this.#streams = this.#read();
        return;
      case "connect-later": {
        const retryInMs = backoffDelay(effect.attempt, this.#deps.random);
        const error = this.#lastError;
        this.#tell({ kind: "disconnected", code: error?.code ?? "CLOSED", message: error?.message ?? "the stream ended", retryInMs });
        this.#retry = this.#deps.clock.after(retryInMs, () => this.#dispatch({ kind: "due" }));
        return;
      }
      case "ack":
        this.#stream?.stream.ack(effect.settled);
        return;
      case "park":
        this.#stream?.stream.park({ offset: effect.offset }, effect.failure);
        return;
      case "ack-side":
        this.#stream?.stream.ackSide(effect.deliveryId);
        return;
      case "park-side":
        this.#stream?.stream.park({ deliveryId: effect.deliveryId }, effect.failure);
        return;
      case "drop-stream":
        this.#stream?.abort.abort();
        return;
      case "end-stream": {
        if (this.#stream === undefined) return;
        const { stream, abort } = this.#stream;
        // A broker that does not end its side has this long.
        const late = this.#deps.clock.after(closeMs, () => abort.abort());
        abort.signal.addEventListener("abort", () => late.cancel(), { once: true });
        stream.end(() => abort.abort());
        return;
      }
      case "hand-over":
      case "hand-side":
        return;
      case "finish":
        this.#finish(effect.code);
    }
  }

  #finish(code: ErrorCode | undefined): void {
    this.#ended.abort();
    this.#retry?.cancel();
    this.#pinger?.cancel();
    this.#watchdog?.cancel();
    this.#ackTimer?.cancel();
    this.#tell(code === "TAKEN_OVER" ? { kind: "superseded" } : { kind: "closed" });
    this.#queue.end(code === undefined ? undefined : (this.#lastError ?? new WarrenError(code, "the subscription ended")), true);
    for (const queue of this.#statuses) queue.end();
  }

  /** One stream, from open to its end. */
  async #read(): Promise<void> {
    const abort = new AbortController();
    const { logId, done, moves } = this.#state;
    const known =
      logId === "" || this.#options.consumer === undefined ? {} : { knownLogId: logId, knownOffset: done.mark, knownMoves: moves };
    this.#tell({ kind: "connecting" });
    let code: ErrorCode | undefined;
    try {
      const stream = this.#deps.open({ ...this.#request, ...this.#resume(), ...known }, abort.signal, (refused) => this.#refused(refused));
      this.#stream = { stream, abort };
      this.#ping();
      this.#watch(abort);
      for await (const response of stream.responses) {
        this.#watchdog?.cancel();
        await this.#response(response);
        this.#watch(abort);
      }
      this.#lastError = undefined;
    } catch (error) {
      // We gave it up ourselves: the transport only knows that it was cancelled.
      this.#lastError = isWarrenError(abort.signal.reason) ? abort.signal.reason : fromConnectError(error);
      ({ code } = this.#lastError);
    }
    abort.abort();
    this.#watchdog?.cancel();
    this.#pinger?.cancel();
    this.#stream = undefined;
    this.#dispatch({ kind: "ended", code });
  }

  /** An ephemeral subscription has no name to be resumed by: it says itself where it was. */
  #resume(): { readonly start?: { readonly start: { readonly case: "afterOffset"; readonly value: bigint } } } {
    const ephemeral = this.#options.consumer === undefined || this.#options.consumer === "";
    return ephemeral && this.#state.logId !== "" ? { start: { start: { case: "afterOffset", value: this.#state.handed } } } : {};
  }

  async #response({ frame }: Frame): Promise<void> {
    switch (frame.case) {
      case "opened": {
        const { sessionToken, logId, afterOffset, headOffset, resumed, settled, moves, migratedFrom } = frame.value;
        this.#dispatch({ kind: "opened", token: sessionToken, logId, afterOffset, settled, moves });
        const migrated = migratedFrom === "" ? {} : { migratedFrom };
        this.#tell({ kind: "connected", afterOffset, headOffset, resumed, sessionToken, ...migrated });
        if (headOffset > afterOffset) this.#tell({ kind: "catchingUp", offset: afterOffset });
        return;
      }
      case "batch":
        return this.#batch(frame.value);
      case "caughtUp":
        return this.#tell({ kind: "caughtUp", offset: frame.value.offset });
      case "fellBehind":
        return this.#tell({ kind: "catchingUp", offset: frame.value.offset });
      case "gap":
        return this.#gap(frame.value);
      case "acked": {
        const { ackedOffset, settled, deliveryIds } = frame.value;
        this.#dispatch({ kind: "acked", settled: { mark: ackedOffset, ranges: settled }, deliveryIds });
        return this.#tell({ kind: "acked", offset: ackedOffset });
      }
      case "side":
        return this.#side(frame.value);
      case "refused":
        return this.#refused(frame.value);
      case "paused":
        return this.#tell({ kind: "paused", reason: frame.value.reason });
      case "resumed":
        return this.#tell({ kind: "resumed" });
      case "standby": {
        // It comes again with every heartbeat.
        const news = this.#state.phase !== "standby";
        this.#dispatch({ kind: "standby" });
        return news ? this.#tell({ kind: "standby" }) : undefined;
      }
      case "heartbeat":
      case "draining":
      case undefined:
        return undefined;
    }
  }

  async #batch(bytes: Uint8Array): Promise<void> {
    const batch = readReceived(bytes);
    const { firstOffset, count } = batch;
    const effects = this.#dispatch({ kind: "batch", firstOffset, count });
    const handOver = effects.find((effect) => effect.kind === "hand-over");
    if (handOver === undefined) return;
    const { moves } = this.#state;
    const acked = { firstOffset, moves };
    this.#window.handedOver(count - handOver.from, bytes.length);
    const settle: Settle = {
      ack: (index) => this.#ack(acked, index),
      park: (offset, failure) => {
        this.#window.acked(1);
        this.#dispatch({ kind: "failed", offset, moves, failure });
      },
    };
    const { from } = handOver;
    await this.#queue.push({ length: count - from, at: (index) => new SettleableEvent(batch, from + index, settle) });
  }

  async #side({ deliveryId, batch: bytes, reason, attempts }: SideFrame): Promise<void> {
    const effects = this.#dispatch({ kind: "side", deliveryId });
    if (!effects.some((effect) => effect.kind === "hand-side")) return;
    const settle: Settle = {
      ack: () => void this.#dispatch({ kind: "side-done", deliveryId }),
      park: (_, failure) => void this.#dispatch({ kind: "side-failed", deliveryId, failure }),
    };
    await this.#queue.push([new SettleableEvent(readReceived(bytes), 0, settle, { reason, attempts })]);
  }

  /** What cannot be parked (it was pruned, or nothing is kept for this subscription) is done, and said to be. */
  #refused({ code, message, offset }: Pick<Refused, "code" | "message" | "offset">): void {
    this.#tell({ kind: "refused", code, message });
    if (offset > 0n) this.#dispatch({ kind: "park-refused", offset });
  }

  #gap({ what, reason }: Gap): void {
    if (what.case === "pruned") {
      const { firstOffset, lastOffset } = what.value;
      this.#dispatch({ kind: "skipped", firstOffset, lastOffset });
      this.#tell({ kind: "gap", reason, firstOffset, lastOffset });
    } else if (what.case === "missed") {
      this.#tell({ kind: "gap", reason, afterOffset: what.value.afterOffset });
    }
  }

  #tell(status: SubscriptionStatus): void {
    this.#lastStatus = status;
    for (const queue of this.#statuses) void queue.push([status]);
  }

  /** No frame for three heartbeats, while we are ready to read: the broker is gone, whatever TCP believes. */
  #watch(abort: AbortController): void {
    if (abort.signal.aborted) return;
    this.#watchdog = this.#deps.clock.after(Times.subscriberWatchdogMs, () => {
      abort.abort(new WarrenError("TRANSPORT_UNAVAILABLE", "the broker has said nothing for three heartbeats"));
    });
  }

  /** A handler may work for longer than the session's time-out: the broker hears that we live. */
  #ping(): void {
    const every = (this.#options.sessionTimeoutMs ?? Times.sessionMs) / 3;
    this.#pinger = this.#deps.clock.after(every, () => {
      this.#stream?.stream.ping();
      this.#ping();
    });
  }
}
