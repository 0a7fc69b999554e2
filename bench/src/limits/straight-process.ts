import { createServer, type ServerHttp2Stream } from "node:http2";
import { yieldToWork } from "@warren/service";
import type { ConsumeMessage } from "amqplib";
import { answer } from "../harness/child.ts";
import { Acker } from "../peers/clients/acker.ts";
import { connectAmqp } from "../peers/clients/amqp.ts";
import { Segment, SegmentStore } from "./straight-store.ts";
import { EventChecker, EventWriter } from "./straight-wire.ts";

/**
 * The middle of the straight path: takes packs from a queue, or plain messages that it makes events, checks them, commits those that came meanwhile as one segment, acks
 * them, writes its bytes to each stream of HTTP/2, and saves how far its subscribers are. It keeps what Warren keeps when all goes well, and does nothing for when it does not.
 */

interface Where {
  readonly amqp: string;
  readonly queue: string;
  readonly url: string;
  readonly port: number;
  /** Events of one segment at most. */
  readonly segmentBytes: number;
  /** Whether messages are plain, and not packs. */
  readonly foreign: boolean;
}

/** Messages that are delivered and not acked: packs, or of one event each. */
const prefetch = { packs: 64, plain: 2_000 } as const;
/** So much of them is acked at once, and none later than this after it is stored. */
const ackPart = 1 / 4;
const ackMs = 40;
/**
 * From the end of an append to the next behind a foreign sender, in milliseconds. Warren never waits so: it is to bound what it could reach, for larger segments
 * cost less for each event.
 */
const gatherMs = 4;
/** How far subscribers are is saved so often. */
const saveMs = 100;
/** Segments in memory: that one is used again which every stream has written. It bounds what slow streams hold. */
const kept = 8;

// As Warren's apps.
yieldToWork();

answer({
  async start({ amqp, queue, url, port, segmentBytes, foreign }: Where) {
    const channel = await (await connectAmqp(amqp)).createChannel();
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.assertExchange(queue, "topic", { durable: true });
    await channel.bindQueue(queue, queue, "#");
    const unacked = foreign ? prefetch.plain : prefetch.packs;
    await channel.prefetch(unacked);
    const middle = new Middle(
      new Acker(channel, { every: unacked * ackPart, withinMs: ackMs }),
      await SegmentStore.open(url, queue),
      segmentBytes,
      foreign ? new EventWriter("/amqp/unknown", queue) : undefined,
    );
    const server = createServer();
    server.on("stream", (stream) => void middle.subscribe(stream));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    await channel.consume(queue, (message) => middle.take(message));
  },
});

class Middle {
  readonly #acker: Acker;
  readonly #store: SegmentStore;
  readonly #outlets = new Set<Outlet>();
  readonly #segments: readonly Segment[];
  readonly #checker = new EventChecker();
  /** Of plain messages. */
  readonly #writer: EventWriter | undefined;
  /** Deliveries that are in no segment yet. */
  readonly #waiting: ConsumeMessage[] = [];
  /** The next segment, and its last delivery. */
  #filling: Segment | undefined;
  #last: ConsumeMessage | undefined;
  #begun = 0;
  #busy = false;
  #places = 0;

  constructor(acker: Acker, store: SegmentStore, segmentBytes: number, writer: EventWriter | undefined) {
    this.#acker = acker;
    this.#store = store;
    this.#writer = writer;
    this.#segments = Array.from({ length: kept }, () => new Segment(segmentBytes));
    this.#saveLater();
  }

  async subscribe(stream: ServerHttp2Stream): Promise<void> {
    this.#places += 1;
    const outlet = new Outlet(stream, this.#places, () => this.#advance());
    await this.#store.addPlace(outlet.place);
    // It left meanwhile.
    if (stream.closed) return;
    this.#outlets.add(outlet);
    stream.once("close", () => {
      this.#outlets.delete(outlet);
      this.#advance();
    });
    stream.respond({ ":status": 200 });
  }

  take(message: ConsumeMessage | null): void {
    if (message === null) throw new Error("RabbitMQ has cancelled the consumer");
    this.#waiting.push(message);
    this.#advance();
  }

  #advance(): void {
    this.#fill();
    const next = this.#filling;
    if (this.#busy || next === undefined) return;
    this.#filling = undefined;
    this.#append(next);
    this.#fill();
  }

  /** What comes while PostgreSQL is busy is copied then. */
  #fill(): void {
    if (this.#waiting.length === 0) return;
    this.#filling ??= this.#free();
    const segment = this.#filling;
    if (segment === undefined) return;
    for (
      let next = this.#waiting[0];
      next !== undefined && segment.add(next.content, this.#checker, this.#writer);
      next = this.#waiting[0]
    ) {
      this.#last = this.#waiting.shift();
    }
  }

  /** An empty segment; undefined: a stream is so far behind that there is none. */
  #free(): Segment | undefined {
    // Two more may be in use that no stream has yet: one that is stored now, and one that was and is written next.
    for (const { unwritten } of this.#outlets) if (unwritten >= kept - 2) return undefined;
    const segment = this.#segments[this.#begun % kept];
    this.#begun += 1;
    segment?.begin();
    return segment;
  }

  /** One at a time. */
  #append(segment: Segment): void {
    const last = this.#last;
    this.#busy = true;
    this.#store.append(segment, () => {
      // First of all: PostgreSQL works while these are sent.
      if (this.#writer === undefined) this.#next();
      else setTimeout(() => this.#next(), gatherMs);
      if (last !== undefined) this.#acker.done(last);
      for (const outlet of this.#outlets) outlet.write(segment.frame);
    });
  }

  #next(): void {
    this.#busy = false;
    this.#advance();
  }

  #saveLater(): void {
    setTimeout(() => void this.#save(), saveMs);
  }

  async #save(): Promise<void> {
    const acked = new Map<number, number>();
    for (const outlet of this.#outlets) {
      if (outlet.acked === outlet.saved) continue;
      outlet.saved = outlet.acked;
      acked.set(outlet.place, outlet.acked);
    }
    if (acked.size > 0) await this.#store.saveAcked(acked);
    this.#saveLater();
  }
}

/** One subscriber's stream. */
class Outlet {
  readonly place: number;
  /** Frames that the stream still holds. */
  unwritten = 0;
  /** Events, as its subscriber said last. */
  acked = 0;
  saved = 0;
  readonly #stream: ServerHttp2Stream;
  readonly #written: () => void;

  constructor(stream: ServerHttp2Stream, place: number, written: () => void) {
    this.place = place;
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
