import { backoffDelay, Times, WarrenError, type Clock } from "@warren/protocol";
import type { EventQueue } from "./event-queue.ts";
import { Gate } from "./gate.ts";
import { Lanes } from "./lanes.ts";
import type { SubscribedEvent } from "./subscribed-event.ts";
import type { SubscriptionStatus } from "./subscription-options.ts";

/** What the application does with an event: returning means done, throwing means try again. */
export type Handler = (event: SubscribedEvent) => unknown;

/** How `run` calls handlers. */
export interface RunOptions {
  /** Handlers at once. Default 1. */
  readonly concurrency?: number | undefined;
  /**
   * What is kept in order. "offset": everything, one at a time (the default when `concurrency` is 1, and allowed only then). "key": events of one
   * `partitionKey`; events without one in any order (the default with concurrency).
   */
  readonly order?: "offset" | "key" | undefined;
  /** Calls after the first one failed. Default 5. */
  readonly retries?: number | undefined;
  /** Waiting between calls: doubles from `minMs` to `maxMs`, with full jitter. Default 100 ms to 10 s. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number } | undefined;
  /**
   * An event that failed `retries` times more. "park" (default): it is set aside on the broker with the error's message, and the rest goes on. "stop": the
   * subscription ends with HANDLER_FAILED, the event un-acked. An ephemeral subscription has nowhere to park: it stops.
   */
  readonly onFailure?: "park" | "stop" | undefined;
  /**
   * Whether an error is a dependency's, say a database that is away, and none of the event's: then nothing more is handed over until this event's handler
   * succeeds, and its tries do not count. Default: never.
   */
  readonly pauseOn?: ((error: unknown) => boolean) | undefined;
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined;
}

/** What running handlers needs. */
export interface RunDeps {
  readonly clock: Clock;
  readonly random: () => number;
  /** The subscription has a consumer name. */
  readonly named: boolean;
  readonly tell: (status: SubscriptionStatus) => void;
  /** Aborts when the subscription has ended. */
  readonly ended: AbortSignal;
  close(): Promise<void>;
}

/** Takes events and calls handlers until the queue ends; then waits for those under way. Throws HANDLER_FAILED, CONFIG_INVALID, or what ended the subscription. */
export async function runHandlers(queue: EventQueue<SubscribedEvent>, handler: Handler, options: RunOptions, deps: RunDeps): Promise<void> {
  const { concurrency = 1, signal } = options;
  const order = options.order ?? (concurrency === 1 ? "offset" : "key");
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new WarrenError("CONFIG_INVALID", `concurrency is ${concurrency}; it must be 1 or more`);
  if (order === "offset" && concurrency > 1) {
    throw new WarrenError("CONFIG_INVALID", 'order "offset" is one at a time; use concurrency 1, or order "key"');
  }
  const close = (): void => void deps.close();
  if (signal?.aborted === true) close();
  signal?.addEventListener("abort", close, { once: true });
  const gate = new Gate();
  const lanes = new Lanes(concurrency);
  const release = (): void => void gate.release();
  deps.ended.addEventListener("abort", release, { once: true });
  const take = nextOf(queue, lanes);
  const deal = dealer(handler, options, gate, deps);
  try {
    for (;;) {
      const event = queue.takeNow() ?? (await take());
      if (event === undefined) break;
      if (gate.isShut) await gate.open();
      if (deps.ended.aborted) break;
      // One after another needs no lanes. Nothing is awaited that is there already: this is done for every event.
      const busy = concurrency === 1 ? deal(event) : lanes.run(order === "key" ? event.partitionKey : undefined, async () => deal(event));
      if (busy !== undefined) await busy;
    }
    await lanes.idle();
  } catch (error) {
    await deps.close();
    await lanes.idle().catch(() => undefined);
    throw error;
  } finally {
    deps.ended.removeEventListener("abort", release);
    signal?.removeEventListener("abort", close);
  }
}

/** Waits for the next event; undefined when there will be none. Rejects when a job threw, or with what ended the queue. */
function nextOf(queue: EventQueue<SubscribedEvent>, lanes: Lanes): () => Promise<SubscribedEvent | undefined> {
  let fail: (error: unknown) => void = () => undefined;
  // Once, and not a race for each event: the promise of failure would keep all of them.
  lanes.failed.catch((error: unknown) => fail(error));
  return () => {
    if (lanes.hasFailed) return lanes.failed;
    return new Promise((resolve, reject) => {
      fail = reject;
      queue.take().then(({ value }) => resolve(value), reject);
    });
  };
}

/** Deals with events by a handler. Undefined: the event is done already. */
function dealer(handler: Handler, options: RunOptions, gate: Gate, deps: RunDeps): (event: SubscribedEvent) => Promise<void> | undefined {
  const again = (event: SubscribedEvent, error: unknown): Promise<void> => tryAgain(event, error, handler, options, gate, deps);
  return (event) => {
    let result: unknown;
    try {
      result = handler(event);
    } catch (error) {
      return again(event, error);
    }
    if (!isThenable(result)) {
      event.ack();
      return undefined;
    }
    return Promise.resolve(result).then(
      () => event.ack(),
      (error: unknown) => again(event, error),
    );
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** After a first try that failed. */
async function tryAgain(
  event: SubscribedEvent,
  first: unknown,
  handler: Handler,
  options: RunOptions,
  gate: Gate,
  deps: RunDeps,
): Promise<void> {
  const { retries = 5, signal, pauseOn, onFailure = "park", backoff = { minMs: Times.backoffMinMs, maxMs: Times.backoffMaxMs } } = options;
  let failures = 0;
  let pauses = 0;
  for (
    let failure: { readonly error: unknown } | undefined = { error: first };
    failure !== undefined;
    failure = await trial(event, handler)
  ) {
    const { error } = failure;
    if (signal?.aborted === true || deps.ended.aborted) return;
    const reason = error instanceof Error ? error.message : String(error);
    if (pauseOn?.(error) === true) {
      pauses += 1;
      if (gate.shut()) deps.tell({ kind: "paused", reason });
    } else {
      failures += 1;
      if (failures > retries) {
        if (pauses > 0 && gate.release()) deps.tell({ kind: "resumed" });
        giveUp(event, failures, reason, error, onFailure === "park" && deps.named, deps);
        return;
      }
    }
    const attempt = Math.max(failures, pauses);
    await pause(deps.clock, backoffDelay(attempt, deps.random, backoff), deps.ended);
  }
  if (pauses > 0 && gate.release()) deps.tell({ kind: "resumed" });
}

/** Undefined: the handler took it, and it is acked. */
async function trial(event: SubscribedEvent, handler: Handler): Promise<{ readonly error: unknown } | undefined> {
  try {
    await handler(event);
  } catch (error) {
    return { error };
  }
  event.ack();
  return undefined;
}

/** Resolves after `delayMs`, or when the signal aborts. */
function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}

function giveUp(event: SubscribedEvent, attempts: number, reason: string, cause: unknown, park: boolean, deps: RunDeps): void {
  if (park) {
    event.park(reason, attempts);
    deps.tell({ kind: "parked", offset: event.offset, reason });
    return;
  }
  const text = `the handler failed ${attempts} times for event ${event.id} at offset ${event.offset}; the event is not acked and comes again`;
  throw new WarrenError("HANDLER_FAILED", text, { cause });
}
