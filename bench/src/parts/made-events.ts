import { randomBytes, randomUUID } from "node:crypto";
import { encodeEvent, toEvent, type EventSlice, type NewEvent } from "@warren/protocol";
import { uuidv7 } from "uuidv7";

/** How the ids of made events come: in the order of time, as the SDK makes them, or at random, as many foreign senders do. */
export type IdKind = "uuidv7" | "random";

const words = "order item paid shipped customer address invoice total currency discount gift express return partner stock city".split(" ");

/** JSON of about so many bytes that is as repetitive as real data: the same keys in each, words that come again, a third of it random. */
function dataOf(bytes: number): unknown {
  const id = randomBytes(12).toString("hex");
  const word = (): string => words[Math.floor(Math.random() * words.length)] ?? "";
  const fixed = 80;
  const text = Array.from({ length: Math.max(0, Math.ceil((bytes - fixed) / 7)) }, word)
    .join(" ")
    .slice(0, Math.max(0, bytes - fixed));
  return { orderId: id, amount: Math.floor(Math.random() * 100_000), status: word(), text };
}

/** Distinct data, used again and again: making it is not what is measured. */
const pools = new Map<number, readonly unknown[]>();

/** An event `type` of about `bytes` on the wire, without an id. */
export function newEvent(bytes: number, type = "bench.order.created"): NewEvent {
  // Id, source, type, time and content type take this much.
  const overhead = 110;
  const pool = pools.get(bytes) ?? Array.from({ length: 1_000 }, () => dataOf(Math.max(0, bytes - overhead)));
  pools.set(bytes, pool);
  return { type, source: "/bench/orders", data: pool[Math.floor(Math.random() * pool.length)] };
}

/** Events as a receiver has them. */
export function makeSlices(count: number, bytes: number, ids: IdKind = "uuidv7"): readonly EventSlice[] {
  const now = new Date();
  return Array.from({ length: count }, () =>
    encodeEvent(toEvent(newEvent(bytes), { id: ids === "uuidv7" ? uuidv7() : randomUUID(), now })),
  );
}
