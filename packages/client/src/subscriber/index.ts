import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Limits, systemClock, Times } from "@warren/protocol";
import { uuidv7 } from "uuidv7";
import { spread } from "./spread.ts";
import { twoWay, type OpenStream } from "./stream.ts";
import { subscriberOn, type Subscriber } from "./subscriber.ts";

/** Options of a subscriber. */
export interface SubscriberOptions {
  /** Where the broker listens, for example "http://127.0.0.1:7070". */
  readonly brokerUrl: string;
}

/** A subscriber for Node, over HTTP/2. Connects when something is subscribed to. */
export function createSubscriber({ brokerUrl }: SubscriberOptions): Subscriber {
  const connections: Http2SessionManager[] = [];
  const pings = { pingIntervalMs: Times.http2PingMs, pingTimeoutMs: Times.http2PingTimeoutMs };
  const newSession = (): OpenStream => {
    const sessionManager = new Http2SessionManager(brokerUrl, pings);
    connections.push(sessionManager);
    return twoWay(
      createConnectTransport({ baseUrl: brokerUrl, httpVersion: "2", useBinaryFormat: true, acceptCompression: [], sessionManager }),
    );
  };
  return subscriberOn({
    open: spread(newSession, Limits.subscriberSessionStreams),
    clock: systemClock,
    random: Math.random,
    newInstanceId: uuidv7,
    disconnect() {
      for (const each of connections) each.abort();
    },
  });
}

export type { Handler, RunOptions } from "./run-handlers.ts";
export type { Subscriber } from "./subscriber.ts";
export { Subscription } from "./subscription.ts";
export type { SubscribedEvent } from "./subscribed-event.ts";
export type { SubscriptionOptions, SubscriptionStatus } from "./subscription-options.ts";
