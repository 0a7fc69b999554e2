import { isWarrenError, Limits, WarrenError, type EventDefaults, type NewEvent } from "@warren/protocol";
import { unpack } from "@warren/protocol/amqp";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PackLine, type Pack } from "./pack-line.ts";

const event = (id: string, data: unknown = "", type = "a"): [NewEvent, EventDefaults] => [
  { type, source: "/s", id, data },
  { id, now: 0 },
];
const idsOf = ({ body }: Pack): readonly string[] => unpack(body).events.map(({ id }) => id);

/** All that goes when nothing is under way. */
function takeAll(line: PackLine): readonly Pack[] {
  const packs: Pack[] = [];
  for (let pack = line.take(0); pack !== undefined; pack = line.take(0)) packs.push(pack);
  return packs;
}

describe("a line of packs", () => {
  test("W7: whatever is published, taken and settled in any order: each event is in one pack, in order, whole, within the limits of a pack", () => {
    const step = fc.oneof(
      { weight: 20, arbitrary: fc.record({ size: fc.constantFrom(0, 10, 300, 5_000, 20_000, 70_000), type: fc.nat({ max: 20 }) }) },
      { weight: 2, arbitrary: fc.constant("take" as const) },
      { weight: 2, arbitrary: fc.constant("settle" as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.infiniteStream(fc.nat()), (steps, choices) => {
        const line = new PackLine();
        const published: string[] = [];
        const sent: string[] = [];
        const underWay: { readonly pack: Pack; readonly ids: readonly string[] }[] = [];
        const send = (pack: Pack): void => {
          const ids = idsOf(pack);
          const { events } = unpack(pack.body);
          expect(events.length === 1 || pack.body.length <= Limits.packBytes).toBe(true);
          expect(events.length).toBeLessThanOrEqual(Limits.packEvents);
          const types = [...new Set(events.map(({ type }) => type))];
          expect([pack.routingKey, ...pack.cc]).toEqual(types);
          expect(pack.cc.length).toBeLessThanOrEqual(Limits.packCcTypes);
          sent.push(...ids);
          underWay.push({ pack, ids });
        };
        for (const each of steps) {
          if (each === "take") {
            const pack = line.take(0);
            if (pack !== undefined) send(pack);
          } else if (each === "settle") {
            const [settled] = underWay.splice((choices.next().value ?? 0) % Math.max(1, underWay.length), 1);
            // Its memory was its own until now.
            if (settled !== undefined) expect(idsOf(settled.pack)).toEqual(settled.ids);
            settled?.pack.settle({ kind: "ok" });
          } else {
            const id = `e${published.length}`;
            void line.add(...event(id, "x".repeat(each.size), `t${each.type}`));
            published.push(id);
          }
        }
        for (const pack of takeAll(line)) send(pack);
        expect(line.isEmpty).toBe(true);
        expect(sent).toEqual(published);
        for (const { pack, ids } of underWay) expect(idsOf(pack)).toEqual(ids);
      }),
      { numRuns: 50 },
    );
  });

  test("holds back a pack that can still grow while eight are under way, never a full one", () => {
    const line = new PackLine();
    void line.add(...event("1"));
    expect(line.take(8)).toBeUndefined();
    const rest = Array.from({ length: Limits.packEvents }, (_, n) => `n${n}`);
    for (const id of rest) void line.add(...event(id));
    const full = line.take(8);
    expect(full && idsOf(full)).toEqual(["1", ...rest.slice(0, -1)]);
    expect(line.take(8)).toBeUndefined();
    const last = line.take(7);
    expect(last && idsOf(last)).toEqual(rest.slice(-1));
  });

  test("events of one pack have one outcome; an event that is not taken leaves the line as it was", async () => {
    const line = new PackLine();
    expect(() => line.add(...event(""))).toThrow(expect.toSatisfy((error) => isWarrenError(error, "EVENT_INVALID")));
    expect(line.isEmpty).toBe(true);
    expect(line.take(0)).toBeUndefined();
    const outcomes = [line.add(...event("1")), line.add(...event("2"))];
    expect(() => line.add(...event("3", new Uint8Array(Limits.eventBytes)))).toThrow(
      expect.toSatisfy((error) => isWarrenError(error, "TOO_LARGE")),
    );
    const [pack, ...more] = takeAll(line);
    expect(more).toEqual([]);
    expect(pack && idsOf(pack)).toEqual(["1", "2"]);
    const error = new WarrenError("UNROUTABLE", "no queue");
    pack?.settle({ kind: "rejected", error });
    expect(await Promise.all(outcomes)).toEqual([
      { kind: "rejected", error },
      { kind: "rejected", error },
    ]);
  });

  test("W8: refuses an event when too many bytes are not settled, and forgets those that are", () => {
    const line = new PackLine();
    const large = new Uint8Array(Limits.eventBytes - 200);
    const fit = Math.floor(Limits.publisherBufferBytes / Limits.eventBytes);
    for (let n = 0; n < fit; n += 1) void line.add(...event(`${n}`, large));
    expect(() => line.add(...event("more", large))).toThrow(expect.toSatisfy((error) => isWarrenError(error, "BUFFER_FULL")));
    const packs = takeAll(line);
    expect(packs.flatMap(idsOf)).toEqual(Array.from({ length: fit }, (_, n) => `${n}`));
    expect(() => line.add(...event("more", large))).toThrow(expect.toSatisfy((error) => isWarrenError(error, "BUFFER_FULL")));
    packs[0]?.settle({ kind: "ok" });
    void line.add(...event("more", large));
    expect(takeAll(line).flatMap(idsOf)).toEqual(["more"]);
  });

  test("an event that is published while the data of another one is written has a place of its own", () => {
    const line = new PackLine();
    const toJSON = (): string => {
      void line.add(...event("inner"));
      return "outer";
    };
    for (const id of ["1", "2", "3"]) void line.add(...event(id, { toJSON }));
    expect(takeAll(line).flatMap(idsOf)).toEqual(["inner", "1", "inner", "2", "inner", "3"]);
  });

  test("what waits can be given up", async () => {
    const line = new PackLine();
    const outcomes = Array.from({ length: Limits.packEvents + 1 }, (_, n) => line.add(...event(`${n}`)));
    line.reject(new WarrenError("CLOSED", "closed"));
    expect(line.isEmpty).toBe(true);
    expect((await Promise.all(outcomes)).every(({ kind }) => kind === "rejected")).toBe(true);
  });
});
