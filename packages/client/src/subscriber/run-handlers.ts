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
  const take = () => Promise.race([queue.take(), lanes.failed]);
  try {
    for (let next = await take(); next.done !== true; next = await take()) {
      const event = next.value;
      await gate.open();
      if (deps.ended.aborted) break;
      await lanes.run(order === "key" ? event.partitionKey : undefined, () => handle(event, handler, options, gate, deps));
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

async function handle(event: SubscribedEvent, handler: Handler, options: RunOptions, gate: Gate, deps: RunDeps): Promise<void> {
  const { retries = 5, signal, pauseOn, onFailure = "park", backoff = { minMs: Times.backoffMinMs, maxMs: Times.backoffMaxMs } } = options;
  let failures = 0;
  let pauses = 0;
  for (;;) {
    try {
      await handler(event);
      event.ack();
      if (pauses > 0 && gate.release()) deps.tell({ kind: "resumed" });
      return;
    } catch (error) {
      if (signal?.aborted === true || deps.ended.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      if (pauseOn?.(error) === true) {
        pauses += 1;
        if (gate.shut()) deps.tell({ kind: "paused", reason });
      } else {
        failures += 1;
        if (failures > retries) {
          if (pauses > 0 && gate.release()) deps.tell({ kind: "resumed" });
          return giveUp(event, failures, reason, error, onFailure === "park" && deps.named, deps);
        }
      }
      const attempt = Math.max(failures, pauses);
      await pause(deps.clock, backoffDelay(attempt, deps.random, backoff), deps.ended);
    }
  }
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
