import { encodeEvent, toEvent } from "@warren/protocol";
import { packEvents } from "@warren/protocol/amqp";
import { uuidv7 } from "uuidv7";
import { Payloads } from "../peers/payloads.ts";

/** Events as Warren sends and stores them, 256 bytes of data each: the bytes of a pack, or of a segment. As many as asked for, and at most as many as a pack holds. */
export function packOf(events: number): { readonly body: Buffer; readonly count: number } {
  const payloads = new Payloads(256);
  const slices = Array.from({ length: events }, (_, n) =>
    encodeEvent(toEvent({ type: "bench", source: "/bench", data: payloads.make(n, 0) }, { id: uuidv7(), now: new Date() })),
  );
  const [pack] = packEvents(slices);
  if (pack === undefined) throw new Error("a pack needs an event");
  return { body: Buffer.from(pack.body), count: pack.count };
}

/** The bytes of a segment of so many events. */
export function segmentOf(events: number): Buffer {
  const { body, count } = packOf(100);
  return Buffer.concat(Array.from({ length: Math.ceil(events / count) }, () => body));
}
