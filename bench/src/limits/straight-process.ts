import { createServer, type ServerHttp2Stream } from "node:http2";
import { connect, type Channel, type ConsumeMessage } from "amqplib";
import { answer } from "../harness/child.ts";
import { Segment, SegmentStore } from "./straight-store.ts";

/**
 * The middle of the straight path: takes packs from a queue, commits those that came meanwhile as one segment, acks them, and writes its bytes to each stream of
 * HTTP/2. It keeps what Warren keeps when all goes well, and does nothing for when it does not.
 */

interface Where {
  readonly amqp: string;
  readonly queue: string;
  readonly url: string;
  readonly port: number;
}

/** Packs that are delivered and not acked. */
const prefetch = 400;
/** Segments in memory: that one is used again which every stream has written. It bounds what slow streams hold. */
const kept = 8;

answer({
  async start({ amqp, queue, url, port }: Where) {
    const channel = await (await connect(amqp)).createChannel();
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.assertExchange(queue, "topic", { durable: true });
    await channel.bindQueue(queue, queue, "#");
    await channel.prefetch(prefetch);
    const middle = new Middle(channel, await SegmentStore.open(url));
    const server = createServer();
    server.on("stream", (stream) => middle.subscribe(stream));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    await channel.consume(queue, (message) => middle.take(message));
  },
});

class Middle {
  readonly #channel: Channel;
  readonly #store: SegmentStore;
  readonly #outlets = new Set<Outlet>();
  readonly #segments = Array.from({ length: kept }, () => new Segment());
  #waiting: ConsumeMessage[] = [];
  #appended = 0;
  #busy = false;

  constructor(channel: Channel, store: SegmentStore) {
    this.#channel = channel;
    this.#store = store;
  }

  subscribe(stream: ServerHttp2Stream): void {
    const outlet = new Outlet(stream, () => this.#append());
    this.#outlets.add(outlet);
    stream.once("close", () => {
      this.#outlets.delete(outlet);
      this.#append();
    });
    stream.respond({ ":status": 200 });
  }

  take(message: ConsumeMessage | null): void {
    if (message === null) throw new Error("RabbitMQ has cancelled the consumer");
    this.#waiting.push(message);
    this.#append();
  }

  /** One at a time: what comes meanwhile is the next segment. */
  #append(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    const segment = this.#segments[this.#appended % kept];
    for (const { unwritten } of this.#outlets) if (unwritten >= kept) return;
    if (segment === undefined) return;
    this.#busy = true;
    this.#appended += 1;
    segment.begin();
    const full = this.#waiting.findIndex(({ content }) => !segment.add(content));
    const stored = this.#waiting.splice(0, full === -1 ? this.#waiting.length : full);
    const last = stored.at(-1);
    this.#store.append(segment, () => {
      if (last !== undefined) this.#channel.ack(last, true);
      const { frame } = segment;
      for (const outlet of this.#outlets) outlet.write(frame);
      this.#busy = false;
      this.#append();
    });
  }
}

/** One subscriber's stream. */
class Outlet {
  /** Frames that the stream still holds. */
  unwritten = 0;
  /** Events, as its subscriber said last. */
  acked = 0;
  readonly #stream: ServerHttp2Stream;
  readonly #written: () => void;

  constructor(stream: ServerHttp2Stream, written: () => void) {
    this.#stream = stream;
    this.#written = () => {
      this.unwritten -= 1;
      written();
    };
    stream.on("data", (ack: Buffer) => (this.acked = ack.readUInt32BE(ack.length - 4)));
    // It leaves as it likes.
    stream.on("error", () => undefined);
  }

  write(frame: Buffer): void {
    this.unwritten += 1;
    this.#stream.write(frame, this.#written);
  }
}
