import { createConnectTransport } from "@connectrpc/connect-web";
import { systemClock } from "@warren/protocol";
import { uuidv7 } from "uuidv7";
import { oneWay } from "../subscriber/one-way.ts";
import { subscriberOn, type Subscriber } from "../subscriber/subscriber.ts";

/** A subscriber for browsers: the session as a server stream (`Follow`), acks as calls of their own. `brokerUrl` must be of the page's own origin. */
export function createSubscriber({ brokerUrl }: { readonly brokerUrl: string }): Subscriber {
  const transport = createConnectTransport({ baseUrl: brokerUrl, useBinaryFormat: true });
  return subscriberOn({
    open: oneWay(transport),
    clock: systemClock,
    random: Math.random,
    newInstanceId: uuidv7,
    defer: (run) => queueMicrotask(run),
  });
}

export { isWarrenError, WarrenError, type ErrorCode, type RecordedEvent } from "@warren/protocol";
export type { Handler, RunOptions } from "../subscriber/run-handlers.ts";
export type { Subscriber } from "../subscriber/subscriber.ts";
export type { SubscribedEvent } from "../subscriber/subscribed-event.ts";
export type { SubscriptionOptions, SubscriptionStatus } from "../subscriber/subscription-options.ts";
