import type { ClientHttp2Stream, Http2Session } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { Limits, systemClock, Times } from "@warren/protocol";
import { uuidv7 } from "uuidv7";
import { spread } from "./spread.ts";
import type { OpenStream } from "./stream.ts";
import { subscriberOn, type Subscriber } from "./subscriber.ts";
import { twoWay } from "./two-way.ts";

/** Options of a subscriber. */
export interface SubscriberOptions {
  /** Where the broker listens, for example "http://127.0.0.1:7070". */
  readonly brokerUrl: string;
}

/**
 * A session with a receive window of its own. The default of 64 KiB is less than one frame, and each window costs a round trip: over 50 ms that is 1.3 MB/s. It
 * bounds what is on its way: what came and is not read is bounded by the windows of the streams (Node gives the session's window back when data comes).
 */
class WideSession extends Http2SessionManager {
  readonly #seen = new WeakSet<Http2Session>();

  override async request(...args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session !== undefined && !session.destroyed && !this.#seen.has(session)) {
      this.#seen.add(session);
      session.setLocalWindowSize(Limits.subscriberSessionWindowBytes);
    }
    return stream;
  }
}

/** A subscriber for Node, over HTTP/2. Connects when something is subscribed to. */
export function createSubscriber({ brokerUrl }: SubscriberOptions): Subscriber {
  const connections: Http2SessionManager[] = [];
  const pings = { pingIntervalMs: Times.http2PingMs, pingTimeoutMs: Times.http2PingTimeoutMs };
  const newSession = (): OpenStream => {
    const sessionManager = new WideSession(brokerUrl, pings, { settings: { initialWindowSize: Limits.subscriberWindowBytes } });
    connections.push(sessionManager);
    return twoWay(brokerUrl, sessionManager);
  };
  return subscriberOn({
    open: spread(newSession, Limits.subscriberSessionStreams),
    clock: systemClock,
    random: Math.random,
    newInstanceId: uuidv7,
    defer: (run) => void setImmediate(run),
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
