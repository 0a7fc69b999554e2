import { lastOffsetOf } from "@warren/protocol";
import { Tail, TailBudget } from "@warren/replay";
import { describe, expect, test } from "vitest";
import { Prng } from "./testing/prng.ts";
import { ack, Driver, pull, segment, segments } from "./testing/consumer-driver.ts";

describe("flow control of a consumer", () => {
  test("I3: waits for acks when max_in_flight_bytes is reached, and goes on when a lump is settled", () => {
    // Events of 10 bytes; a lump is one frame here.
    const driver = new Driver().awake({ head: 20n, tailFirst: 1n }, { maxInFlightBytes: 50 });
    expect(driver.do(pull, segments(segment(1n, 3)))).toEqual(["read-tail 1", "batch 1-3"]);
    expect(driver.do(pull, segments(segment(4n, 17)))).toEqual(["read-tail 4", "batch 4-5"]);
    expect(driver.do(pull)).toEqual([]);
    // The first lump is not settled as a whole.
    expect(driver.do(ack(2n))).toEqual(["save 2 as 1"]);
    expect(driver.do(ack(2n, [3n, 3n]))).toEqual(["save 3 as 1", "batch 6-8"]);
    expect(driver.do(pull, ack(3n, [6n, 8n]))).toEqual(["save 3 6-8 as 1", "batch 9-11"]);
    expect(driver.state.awake?.sent.total).toBe(50);
  });

  test("I3: sends one event whatever its size, but only when nothing is under way", () => {
    const driver = new Driver().awake({ head: 4n, tailFirst: 1n }, { maxInFlightBytes: 15 });
    const big = segment(2n, 2, 1_000);
    expect(driver.do(pull, segments(segment(1n, 1)), pull, segments(big))).toEqual(["read-tail 1", "batch 1-1", "read-tail 2"]);
    driver.now = 20_000;
    driver.do({ kind: "tick" });
    expect(driver.state.awake?.starved).toBe(true);
    driver.do(pull);
    expect(driver.do(ack(1n))).toEqual(["save 1 as 1", "batch 2-2"]);
    expect(driver.do(pull)).toEqual([]);
    expect(driver.do(ack(2n))).toEqual(["save 2 as 1", "batch 3-3"]);
  });

  test("counts the bytes of small events in few lumps", () => {
    const driver = new Driver().awake({ head: 2_000n, tailFirst: 1n }, { maxInFlight: 10_000, maxInFlightBytes: 64_000 });
    for (let offset = 1n; offset <= 2_000n; offset += 1n) driver.do(pull, segments(segment(offset, 1)));
    expect(driver.state.awake?.sent).toMatchObject({ total: 20_000, lumps: { length: 20 } });
    driver.do(ack(1_950n));
    expect(driver.state.awake?.sent).toMatchObject({ total: 1_000, lumps: { length: 1 } });
  });

  test("I11: an empty tail makes no one fall behind", () => {
    const driver = new Driver().awake({ head: 2n, tailFirst: 1n });
    driver.do(pull, segments(segment(1n, 2)));
    expect(driver.do(pull, pull)).toEqual(["caught-up 2"]);
    // The head moved by a segment that is not at hand.
    expect(driver.do({ kind: "stored", head: 4n, tailFirst: 5n, newest: undefined })).toEqual(["read-log after 2"]);
    expect(driver.do(segments(segment(3n, 2)), pull)).toEqual(["batch 3-4"]);
    expect(driver.do({ kind: "stored", head: 5n, tailFirst: 5n, newest: undefined })).toEqual(["read-tail 5"]);
  });

  test("I3, I11: whatever the pace, bytes under way are bounded, nothing stalls, and between two fell_behind a whole tail was stored", () => {
    let fell = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = new Prng(seed);
      const budget = new TailBudget(200);
      const tail = new Tail(0n, budget, () => undefined);
      const log = [segment(1n, 1)].slice(1);
      const maxInFlightBytes = 20 + random.below(200);
      const driver = new Driver().awake({ head: 0n, tailFirst: 1n }, { maxInFlight: 50, maxInFlightBytes });
      let [sent, fellAt, frames] = [0n, 0n, 0];
      const run = (words: readonly string[]): void => {
        for (const word of words) {
          const [, name = word, at] = /^(\S+?)(?: after)? (\d+)/.exec(word) ?? [];
          if (name === "read-tail") run(driver.do(segments(tail.find(BigInt(at ?? 0)) ?? segment(1n, 1))));
          if (name === "read-log") {
            const next = BigInt(at ?? 0) + 1n;
            run(driver.do(segments(...log.filter((each) => lastOffsetOf(each) >= next).slice(0, 2))));
          }
          if (name === "batch") frames += 1;
          if (name === "fell-behind") {
            // What it has read ends before the tail, and it had everything once since it last fell behind.
            expect(tail.head - fellAt).toBeGreaterThanOrEqual(BigInt(budget.total / 10));
            fellAt = tail.head;
            fell += 1;
          }
        }
        sent = (driver.state.awake?.next ?? 1n) - 1n;
        const { lumps = [], total = 0 } = driver.state.awake?.sent ?? {};
        expect(total <= maxInFlightBytes || lumps.length === 1).toBe(true);
      };
      for (let step = 0; step < 400; step += 1) {
        const luck = random.next();
        if (luck < (step % 100 < 15 ? 0.9 : 0.02)) {
          const next = segment(tail.head + 1n, 1 + random.below(6));
          log.push(next);
          tail.push(next);
          run(driver.do({ kind: "stored", head: tail.head, tailFirst: tail.first, newest: undefined }));
        } else if (luck < 0.75) run(driver.do(pull));
        else if (sent > 0n) run(driver.do(ack(BigInt(random.below(Number(sent) + 1)), [sent, sent])));
      }
      for (let step = 0; sent < tail.head; step += 1) {
        expect(step).toBeLessThan(2_000);
        run(driver.do(pull, ack(sent)));
      }
      expect(frames).toBeGreaterThan(0);
    }
    expect(fell).toBeGreaterThan(20);
  });
});
