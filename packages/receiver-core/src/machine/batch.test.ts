import { encodeEvent, toEvent, type EventSlice, type QuarantinedEvent } from "@warren/protocol";
import { expect, test } from "vitest";
import { mergeMessages } from "./batch.ts";

const event = (source: string, id: string, data = 1): EventSlice =>
  encodeEvent(toEvent({ type: "t", source, data, time: new Date(0) }, { id, now: new Date(0) }));
const merged = (...events: readonly EventSlice[]) => {
  const { batch, received, repeats } = mergeMessages(1, [{ tag: 1, bytes: 0, unpack: () => ({ events, rejected: [] }) }]);
  expect(received).toBe(events.length);
  return [batch.events.map(({ source, id }) => `${source} ${id}`), repeats, batch.quarantined.map(({ reason }) => reason)];
};

test("W3: what stands twice in a batch is stored once; the same id of another source is another event", () => {
  expect(merged(event("/a", "1"), event("/b", "1"), event("/b", "1"), event("/a", "1"), event("/a", "2"))).toEqual([
    ["/a 1", "/b 1", "/a 2"],
    2,
    [],
  ]);
});

test("W3: of two events with one source and id the second goes to quarantine, whichever source came first", () => {
  expect(merged(event("/a", "1"), event("/b", "1"), event("/b", "1", 2), event("/a", "1", 2))).toEqual([
    ["/a 1", "/b 1"],
    0,
    ["id_conflict", "id_conflict"],
  ]);
});

test("W12: a message of very many bad events is set aside like a small one", () => {
  const bad: QuarantinedEvent = { reason: "malformed", detail: "", bytes: new Uint8Array(2) };
  const rejected = Array.from({ length: 300_000 }, () => bad);
  const { batch } = mergeMessages(1, [{ tag: 1, bytes: 600_000, unpack: () => ({ events: [], rejected }) }]);
  expect([batch.quarantined.length, batch.bytes]).toEqual([300_000, 600_000]);
});
