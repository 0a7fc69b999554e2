import type { Clock } from "@warren/protocol";
import type { OpenStream } from "./stream.ts";
import { Subscription } from "./subscription.ts";
import type { SubscriptionOptions } from "./subscription-options.ts";

/** Subscribes to events of one broker. */
export interface Subscriber extends AsyncDisposable {
  /** Begins at once, in the background. Throws NAME_INVALID, PATTERN_INVALID. */
  subscribe(options: SubscriptionOptions): Subscription;
  /** Closes all subscriptions, then its connections. Twice is fine. */
  close(): Promise<void>;
}

/** What a subscriber is made of. */
export interface SubscriberDeps {
  readonly open: OpenStream;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newInstanceId: () => string;
  /** Runs something when this turn of the event loop ends. */
  readonly defer: (run: () => void) => void;
  /** Closes the connections that `open` made, when no stream is open any more; a later `open` makes new ones. */
  readonly disconnect?: () => void;
}

/** A subscriber on any kind of stream. */
export function subscriberOn(deps: SubscriberDeps): Subscriber {
  const subscriptions = new Set<Subscription>();
  const close = async (): Promise<void> => {
    await Promise.all([...subscriptions].map((subscription) => subscription.close()));
    subscriptions.clear();
    deps.disconnect?.();
  };
  return {
    subscribe(options) {
      const subscription = new Subscription({ ...deps, instanceId: deps.newInstanceId() }, options);
      subscriptions.add(subscription);
      return subscription;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
