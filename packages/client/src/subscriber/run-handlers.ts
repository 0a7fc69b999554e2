import { backoffDelay, WarrenError, type Clock } from "@warren/protocol";
import type { EventQueue } from "./event-queue.ts";
import type { SubscribedEvent } from "./subscription-options.ts";

/** What the application does with an event: returning means done, throwing means try again. */
export type Handler = (event: SubscribedEvent) => unknown;

/** How `run` calls handlers. */
export interface RunOptions {
  /** Handlers at once. Default 1: in order of offsets. */
  readonly concurrency?: number | undefined;
  /** Calls after the first one failed. Default 5. */
  readonly retries?: number | undefined;
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined;
}

interface RunDeps {
  readonly clock: Clock;
  readonly random: () => number;
  close(): Promise<void>;
}

/** Takes events and calls handlers until the queue ends; then waits for those under way. Throws HANDLER_FAILED, or what ended the subscription. */
export async function runHandlers(queue: EventQueue<SubscribedEvent>, handler: Handler, options: RunOptions, deps: RunDeps): Promise<void> {
  const { concurrency = 1, retries = 5, signal } = options;
  const close = (): void => void deps.close();
  if (signal?.aborted === true) close();
  signal?.addEventListener("abort", close, { once: true });
  const lanes = Array.from({ length: Math.max(1, concurrency) }, async () => {
    for (let next = await queue.take(); next.done !== true; next = await queue.take()) {
      await handle(next.value, handler, retries, signal, deps);
    }
  });
  try {
    await Promise.all(lanes);
  } catch (error) {
    await deps.close();
    await Promise.allSettled(lanes);
    throw error;
  } finally {
    signal?.removeEventListener("abort", close);
  }
}

async function handle(
  event: SubscribedEvent,
  handler: Handler,
  retries: number,
  signal: AbortSignal | undefined,
  deps: RunDeps,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await handler(event);
      event.ack();
      return;
    } catch (error) {
      if (signal?.aborted === true) return;
      if (attempt > retries) {
        const text = `the handler failed ${attempt} times for event ${event.id} at offset ${event.offset}; the event is not acked and comes again`;
        throw new WarrenError("HANDLER_FAILED", text, { cause: error });
      }
      await new Promise<void>((resolve) => deps.clock.after(backoffDelay(attempt, deps.random), resolve));
    }
  }
}
