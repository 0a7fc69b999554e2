import { connect as connectHttp2, type ClientHttp2Stream } from "node:http2";
import type { ConfirmChannel } from "amqplib";
import { given, type PeerClient } from "../peers/client.ts";
import { connectAmqp, openPlainPublisher } from "../peers/clients/amqp.ts";
import { EventWriter, FrameReader } from "./straight-wire.ts";

const packBytes = 64 * 1024;
/** Packs that are not full wait while so many are not confirmed. */
const packsUnderWay = 8;
const ackMs = 10;
const streamWindow = 4 * 1024 * 1024;
const sessionWindow = 64 * 1024 * 1024;

/**
 * Both ends of the straight path: packs of events to a queue with amqplib, frames of events from streams of HTTP/2. They give what the users of such an SDK get: a promise
 * for each event that is published, and events one by one in a `for await`, to be acked. Nobody gets what was sent while it was away.
 */
export const straight: PeerClient = {
  window: 5_000,
  // The process in the middle makes all there is.
  create: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  async openPublisher(target, { name }) {
    const model = await connectAmqp(given(target, "amqp"));
    const publisher = new PackPublisher(await model.createConfirmChannel(), given(target, "queue"), name);
    return { send: (payload, settle) => void publisher.publish(payload).then(() => settle(), settle), close: () => model.close() };
  },
  async openSubscribers(target, { subscribers }, take) {
    const session = connectHttp2(given(target, "straightUrl"), { settings: { initialWindowSize: streamWindow } });
    session.once("connect", () => session.setLocalWindowSize(sessionWindow));
    const streams = subscribers.map((_, index) => {
      const stream = session.request({ ":method": "POST", ":path": "/" }, { endStream: false });
      const subscription = new Subscription(stream);
      void (async () => {
        for await (const event of subscription) {
          take(index, event.bytes);
          event.ack();
        }
      })();
      return subscription;
    });
    await Promise.all(streams.map(({ opened }) => opened));
    const timer = setInterval(() => {
      for (const stream of streams) stream.tellAcks();
    }, ackMs);
    return {
      close() {
        clearInterval(timer);
        // The other side ends no stream.
        session.destroy();
        return Promise.resolve();
      },
    };
  },
};

/** The same behind a sender that knows nothing of it: plain messages, made events by the process in the middle. */
export const straightForeign: PeerClient = {
  ...straight,
  // As bare queues of RabbitMQ have it.
  window: 2_000,
  openPublisher: (target, { name }) => openPlainPublisher(given(target, "amqp"), given(target, "queue"), name),
};

/** What is sent in one turn of the event loop travels in one message. amqplib copies what it is given: one buffer does for all packs. */
class PackPublisher {
  readonly #channel: ConfirmChannel;
  readonly #exchange: string;
  readonly #routingKey: string;
  readonly #events: EventWriter;
  readonly #pack = Buffer.allocUnsafeSlow(packBytes);
  #end = 0;
  /** Of the pack that is being filled. */
  #outcome = Promise.withResolvers<void>();
  #underWay = 0;
  #scheduled = false;
  readonly #turnEnds = (): void => {
    this.#scheduled = false;
    if (this.#underWay < packsUnderWay && this.#end > 0) this.#publish();
  };

  constructor(channel: ConfirmChannel, exchange: string, type: string) {
    this.#channel = channel;
    this.#exchange = exchange;
    this.#routingKey = type;
    this.#events = new EventWriter("/bench", type);
  }

  /** Resolves when RabbitMQ has the event. */
  publish(payload: Buffer): Promise<{ readonly id: string }> {
    const size = this.#events.size(payload.length);
    if (this.#end + size > packBytes) this.#publish();
    this.#end = this.#events.write(this.#pack, this.#end, payload);
    const { id } = this.#events;
    const { promise } = this.#outcome;
    // Full, when the next one is as large.
    if (this.#end + size > packBytes) this.#publish();
    else this.#schedule();
    return promise.then(() => ({ id }));
  }

  #schedule(): void {
    if (this.#scheduled || this.#end === 0) return;
    this.#scheduled = true;
    queueMicrotask(this.#turnEnds);
  }

  #publish(): void {
    const outcome = this.#outcome;
    this.#outcome = Promise.withResolvers<void>();
    const pack = this.#pack.subarray(0, this.#end);
    this.#end = 0;
    this.#underWay += 1;
    this.#channel.publish(this.#exchange, this.#routingKey, pack, persistent, (error: unknown) => {
      this.#underWay -= 1;
      if (error === null || error === undefined) outcome.resolve();
      else outcome.reject(new Error("RabbitMQ did not confirm", { cause: error }));
      this.#schedule();
    });
  }
}

const persistent = { persistent: true };

/** An event, to be acked. */
interface StraightEvent {
  readonly bytes: Uint8Array;
  ack(): void;
}

/** The events of one stream. It says now and then how many of them are acked. */
class Subscription implements AsyncIterable<StraightEvent> {
  /** Resolves when the other side has begun to answer. */
  readonly opened: Promise<void>;
  readonly #stream: ClientHttp2Stream;
  #payloads: Uint8Array[] = [];
  /** Of those, so many were handed over. */
  #handed = 0;
  #waiting: ((result: IteratorResult<StraightEvent>) => void) | undefined;
  #acked = 0;
  #told = 0;

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    this.opened = new Promise((resolve, reject) => {
      stream.once("error", reject);
      stream.once("response", () => resolve());
    });
    const reader = new FrameReader((payload) => this.#payloads.push(payload));
    stream.on("data", (piece: Buffer) => {
      reader.read(piece);
      const event = this.#waiting === undefined ? undefined : this.#take();
      if (event === undefined) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.({ done: false, value: event });
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<StraightEvent> {
    return {
      next: () => {
        const event = this.#take();
        return event === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve({ done: false, value: event });
      },
    };
  }

  tellAcks(): void {
    if (this.#acked === this.#told) return;
    this.#told = this.#acked;
    const ack = Buffer.allocUnsafe(4);
    ack.writeUInt32BE(this.#acked);
    this.#stream.write(ack);
  }

  #take(): StraightEvent | undefined {
    const bytes = this.#payloads[this.#handed];
    if (bytes === undefined) return undefined;
    this.#handed += 1;
    if (this.#handed === this.#payloads.length) {
      this.#payloads = [];
      this.#handed = 0;
    }
    return { bytes, ack: () => void (this.#acked += 1) };
  }
}
