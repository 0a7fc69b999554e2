import { connect as connectHttp2, type ClientHttp2Stream } from "node:http2";
import { connect, type ConfirmChannel } from "amqplib";
import { given, type PeerClient, type PeerPublisher } from "../peers/client.ts";
import { EventWriter, FrameReader } from "./straight-wire.ts";

const packBytes = 64 * 1024;
/** Packs that are not full wait while so many are not confirmed. */
const packsUnderWay = 8;
const ackMs = 10;
const streamWindow = 4 * 1024 * 1024;
const sessionWindow = 64 * 1024 * 1024;

/** Both ends of the straight path: packs of events to a queue with amqplib, frames of events from streams of HTTP/2. Nobody gets what was sent while it was away. */
export const straight: PeerClient = {
  window: 5_000,
  // The process in the middle makes all there is.
  create: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  async openPublisher(target, { name }) {
    const model = await connect(given(target, "amqp"));
    const publisher = new PackPublisher(await model.createConfirmChannel(), given(target, "queue"), name);
    return { send: (payload, settle) => publisher.send(payload, settle), close: () => model.close() };
  },
  async openSubscribers(target, { subscribers }, take) {
    const session = connectHttp2(given(target, "straightUrl"), { settings: { initialWindowSize: streamWindow } });
    session.once("connect", () => session.setLocalWindowSize(sessionWindow));
    const streams = subscribers.map((_, index) => {
      const stream = session.request({ ":method": "POST", ":path": "/" }, { endStream: false });
      return new Subscription(stream, (payload) => take(index, payload));
    });
    await Promise.all(streams.map(({ opened }) => opened));
    const timer = setInterval(() => {
      for (const stream of streams) stream.ack();
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

type Settle = Parameters<PeerPublisher["send"]>[1];

/** What is sent in one turn of the event loop travels in one message. amqplib copies what it is given: one buffer does for all packs. */
class PackPublisher {
  readonly #channel: ConfirmChannel;
  readonly #exchange: string;
  readonly #routingKey: string;
  readonly #events: EventWriter;
  readonly #pack = Buffer.allocUnsafeSlow(packBytes);
  #end = 0;
  #settles: Settle[] = [];
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

  send(payload: Buffer, settle: Settle): void {
    const size = this.#events.size(payload.length);
    if (this.#end + size > packBytes) this.#publish();
    this.#end = this.#events.write(this.#pack, this.#end, payload);
    this.#settles.push(settle);
    // Full, when the next one is as large.
    if (this.#end + size > packBytes) this.#publish();
    else this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#end === 0) return;
    this.#scheduled = true;
    queueMicrotask(this.#turnEnds);
  }

  #publish(): void {
    const settles = this.#settles;
    this.#settles = [];
    const pack = this.#pack.subarray(0, this.#end);
    this.#end = 0;
    this.#underWay += 1;
    this.#channel.publish(this.#exchange, this.#routingKey, pack, persistent, (error: unknown) => {
      this.#underWay -= 1;
      const failure = error === null || error === undefined ? undefined : new Error("RabbitMQ did not confirm", { cause: error });
      for (const settle of settles) settle(failure);
      this.#schedule();
    });
  }
}

const persistent = { persistent: true };

/** Takes the events of one stream, and says now and then how many it has. */
class Subscription {
  /** Resolves when the other side has begun to answer. */
  readonly opened: Promise<void>;
  readonly #stream: ClientHttp2Stream;
  #taken = 0;
  #acked = 0;

  constructor(stream: ClientHttp2Stream, take: (payload: Uint8Array) => void) {
    this.#stream = stream;
    this.opened = new Promise((resolve, reject) => {
      stream.once("error", reject);
      stream.once("response", () => resolve());
    });
    const reader = new FrameReader((payload) => {
      this.#taken += 1;
      take(payload);
    });
    stream.on("data", (piece: Buffer) => reader.read(piece));
  }

  ack(): void {
    if (this.#taken === this.#acked) return;
    this.#acked = this.#taken;
    const ack = Buffer.allocUnsafe(4);
    ack.writeUInt32BE(this.#taken);
    this.#stream.write(ack);
  }
}
