import { encodeEvent, Limits, must, toEvent } from "@warren/protocol";
import { packOf as joined } from "@warren/protocol/amqp";
import { uuidv7 } from "uuidv7";
import { Payloads } from "../peers/payloads.ts";

/** Events as Warren sends and stores them, 256 bytes of data each: the bytes of a pack, or of a segment. As many as asked for, and at most as many as a pack holds. */
export function packOf(events: number): { readonly body: Buffer; readonly count: number } {
  const payloads = new Payloads(256);
  const slices = Array.from({ length: events }, (_, n) =>
    encodeEvent(toEvent({ type: "bench", source: "/bench", data: payloads.make(n, 0) }, { id: uuidv7(), now: new Date() })),
  );
  // All are as long as the first.
  const fitting = slices.slice(0, Math.floor(Limits.packBytes / must(slices[0], "a pack has an event").bytes.length));
  return { body: Buffer.from(joined(fitting).body), count: fitting.length };
}

/** The bytes of a segment of so many events. */
export function segmentOf(events: number): Buffer {
  const { body, count } = packOf(100);
  return Buffer.concat(Array.from({ length: Math.ceil(events / count) }, () => body));
}
