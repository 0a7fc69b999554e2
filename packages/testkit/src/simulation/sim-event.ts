import { create, toBinary } from "@bufbuild/protobuf";
import type { EventSlice, QuarantinedEvent } from "@warren/protocol";
import { EventBatchSchema } from "@warren/protocol/v1";
import { rule } from "./violation.ts";

/** What the queues route by. */
export type SimType = "a" | "b";

/** An event as the world knows it. Two events with one id are told apart by `key`. */
export interface SimEvent {
  readonly key: string;
  readonly id: string;
  readonly type: SimType;
  /** No database takes it: its id ends with `!`. */
  readonly poison: boolean;
  readonly bytes: Uint8Array;
}

/** An event in one AMQP message. */
export interface SimSlice extends EventSlice {
  readonly event: SimEvent;
  /** Of this very message: what RabbitMQ delivers twice has it twice. */
  readonly copy: number;
  readonly publisher: string;
  /** The publisher's number of the message: it grows with each `publish`, and is the same when the window sends again. */
  readonly seq: number;
}

/** Encoded once, for all runs: bytes name their event. */
const events = new Map<string, SimEvent>();
const keys = new Map<Uint8Array, string>();

/** An event; the same one for the same words. `variant`: 0, or another one for another content under the same id. */
export function simEvent(id: string, type: SimType, variant: number): SimEvent {
  const key = `${id}/${type}/${variant}`;
  let event = events.get(key);
  if (event === undefined) {
    const body = { case: "text" as const, value: String(variant) };
    const bytes = toBinary(EventBatchSchema, create(EventBatchSchema, { events: [{ id, source: "s", type, body }] }));
    event = { key, id, type, poison: id.endsWith("!"), bytes };
    events.set(key, event);
    keys.set(bytes, key);
  }
  return event;
}

/** The event as a message carries it. */
export function sliceOf(event: SimEvent, copy: number, publisher: string, seq: number): SimSlice {
  const { id, type, bytes } = event;
  return { bytes, id, source: "s", type, deduplicated: true, event, copy, publisher, seq };
}

/** What an event slice is in this world. */
export function simSlice(slice: EventSlice): SimSlice {
  return slice as SimSlice;
}

/** Remembers in `aside` what was set aside. W12: only what is wrong is. */
export function setAside(aside: Set<string>, { reason, detail, id = "", bytes }: QuarantinedEvent): void {
  rule(reason !== "refused" || id.endsWith("!"), `W12: ${id} is in quarantine, and nothing is wrong with it`);
  const key = keys.get(bytes);
  if (key !== undefined) aside.add(key);
  if (reason === "malformed") aside.add(detail);
}

/** Whether two slices of bytes are the same. */
export function sameBytes(one: Uint8Array, two: Uint8Array): boolean {
  if (one.length !== two.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== two[at]) return false;
  return true;
}
