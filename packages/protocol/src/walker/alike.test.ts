import { toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventSchema, type Event } from "../gen/warren/v1/event_pb.ts";
import { Limits } from "../limits.ts";
import { anyEvent, newEvent } from "../testing/any-event.ts";
import { EventWalker, walkEvent, type WalkedEvent } from "./walk-event.ts";

const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)];
const encode = (event: Event): number[] => [...toBinary(EventSchema, event)];

/** What a walker says of events that lie one behind another, other bytes around them; and where it says their ids lie. */
function walkAll(events: readonly (readonly number[])[]): readonly WalkedEvent[] {
  const gap = [0x1a, 0x0a];
  const bytes = Uint8Array.from([...gap, ...events.flatMap((event) => [...event, ...gap])]);
  const walker = new EventWalker(bytes);
  let end = 0;
  return events.map(({ length }) => {
    const start = end + gap.length;
    end = start + length;
    const rejected = walker.walk(start, end);
    return rejected ?? { kind: "event", id: idOf(bytes.subarray(walker.idFrom, walker.idTo)), source: walker.source, type: walker.type };
  });
}

const idOf = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

function expectAsAlone(events: readonly (readonly number[])[]): void {
  expect(walkAll(events)).toEqual(events.map((event) => walkEvent(Uint8Array.from(event))));
}

/** Events that differ in id and body from the first one, as a publisher sends them, with its other fields before and after the time. */
const runs = fc
  .tuple(
    anyEvent,
    fc.array(fc.record({ id: fc.constantFrom("1", "22", "\u007F", "é", "x".repeat(64), "x".repeat(65), "x".repeat(128)), body: body() })),
  )
  .map(([first, others]) => [first, ...others.map((other) => newEvent({ ...first, ...other }))].map(encode));

function body(): fc.Arbitrary<Event["body"]> {
  return anyEvent.map((event) => event.body);
}

const field = (number: number, bytes: readonly number[]): number[] => [number * 8 + 2, bytes.length, ...bytes];
const attributes = [...field(2, utf8("/s")), ...field(3, utf8("t"))];

describe("events like the one before", () => {
  test("W12: are walked as each alone, also when they are damaged", () => {
    const damage = fc.record({ event: fc.nat(), at: fc.nat(), remove: fc.nat({ max: 2 }), insert: fc.uint8Array({ maxLength: 2 }) });
    fc.assert(
      fc.property(runs, fc.array(damage, { maxLength: 4 }), (run, damages) => {
        const events = [...run];
        for (const { event, at, remove, insert } of damages) {
          const damaged = events[event % events.length] ?? [];
          events[event % events.length] = damaged.toSpliced(at % (damaged.length + 1), remove, ...insert);
        }
        expectAsAlone(events);
      }),
      { numRuns: 3_000 },
    );
  });

  test("W12: are walked as each alone when one of them is cut, or any byte of it another one", () => {
    const event = (id: string, text: string): number[] => [
      ...field(1, utf8(id)),
      ...attributes,
      ...field(9, field(1, utf8("k"))),
      ...field(11, utf8(text)),
    ];
    const [first, second] = [event("one", "text"), event("second", "é")];
    for (let at = 0; at < second.length; at += 1) {
      expectAsAlone([first, second.slice(0, at), second]);
      for (const byte of [0, 1, 0x0a, 0x7f, 0x80, 0xff]) expectAsAlone([first, second.with(at, byte), second]);
    }
  });

  test.each<[string, readonly number[], readonly number[]]>([
    ["an id of another length", field(1, utf8("1")), field(1, utf8("22"))],
    ["no id", field(1, utf8("1")), field(1, [])],
    ["an id whose length takes two bytes", field(1, utf8("1")), [0x0a, 0x81, 0x00, 0x31]],
    ["an id that is too long", field(1, utf8("1")), [0x0a, 0xff, 0x7f, ...utf8("x".repeat(0x3fff))]],
    ["a second id", [...field(1, utf8("1")), ...field(1, utf8("2"))], [...field(1, utf8("3")), ...field(1, utf8("2"))]],
    ["a field before the id", [...field(12, [1]), ...field(1, utf8("1"))], [...field(12, [1]), ...field(1, utf8("2"))]],
    ["another type", [...field(1, utf8("1")), ...field(3, utf8("a"))], [...field(1, utf8("1")), ...field(3, utf8("b"))]],
  ])("W12: %s", (_, one, two) => {
    for (const rest of [
      field(10, [0]),
      field(11, [0x31]),
      [],
      [0xd2, 0x00, 1, 0],
      [...field(10, [0]), ...field(11, [0x31])],
      [...field(10, [0]), ...field(4, [0x31])],
    ]) {
      const [a, b] = [
        [...one, ...attributes, ...rest],
        [...two, ...attributes, ...rest],
      ];
      expectAsAlone([a, b, a]);
      expectAsAlone([a, a, b, b]);
    }
  });

  test("W12: are not like one that has what they lack elsewhere", () => {
    const [one, two, data] = [field(1, utf8("1")), field(1, utf8("2")), field(10, [7])];
    expectAsAlone([
      [...attributes, ...one, ...data],
      [...two, ...data],
    ]);
    expectAsAlone([
      [...one, ...data, ...attributes],
      [...two, ...data],
    ]);
    expect(
      walkAll([
        [...one, ...attributes, ...data],
        [...two, ...data],
      ]).map(({ kind }) => kind),
    ).toEqual(["event", "rejected"]);
  });

  test("W12: are too large by themselves, and have the source and type of the one they are like", () => {
    const event = (id: string, size: number, type = "t"): number[] =>
      encode(newEvent({ id, source: `/${type}`, type, body: { case: "data", value: new Uint8Array(size) } }));
    const fits = Limits.eventBytes - 100;
    expect(walkAll([event("1", fits), event("2", Limits.eventBytes), event("3", fits)]).map(({ kind }) => kind)).toEqual([
      "event",
      "rejected",
      "event",
    ]);
    expectAsAlone([event("1", 5), [0], event("2", 6), encode(newEvent({ type: "other" })), event("3", 7)]);
  });
});
