import { createMemoryEventLog } from "@warren/event-store/memory";
import { encodeEvent, silentLogger, systemClock, toEvent } from "@warren/protocol";
import { keepEverything, OffsetWriter, type RetentionPolicy } from "@warren/state-store";
import { createMemoryStateStore } from "@warren/state-store/memory";
import { expect, test } from "vitest";
import { ReceiverUpkeep } from "./receiver-upkeep.ts";
import { unwatched } from "./machine/channel-watch.ts";

const receiverId = 1n;

/** A log of so many segments of one event, and how many segments each look asked for. */
async function logOf(segments: number) {
  const log = createMemoryEventLog();
  await log.create(receiverId);
  const { epoch } = await log.claim(receiverId);
  for (let n = 0; n < segments; n += 1) {
    const event = encodeEvent(toEvent({ type: "t", source: "/s" }, { id: `e${n}`, now: new Date(0) }));
    await log.append({ receiverId, epoch, headOffset: BigInt(n), events: [event], quarantined: [] });
  }
  const asked: number[] = [];
  const state = createMemoryStateStore(() => 0);
  const [clock, logger] = [systemClock, silentLogger];
  const upkeep = new ReceiverUpkeep(
    {
      log: {
        ...log,
        sizes(id, afterOffset, limit, options) {
          asked.push(limit);
          return log.sizes(id, afterOffset, limit, options);
        },
      },
      state,
      offsets: new OffsetWriter({ store: state, clock, logger, random: () => 0 }),
      clock,
      logger,
    },
    {
      receiverId,
      writer: {
        claim: undefined,
        channel: { ...unwatched, deliveredTag: 0, ackedTag: 0, ackedHead: 0n },
        pruned: () => undefined,
        check: () => Promise.resolve(),
      },
      retention: () => keepEverything,
      sleepers: () => [],
      saidAsleep: () => undefined,
      expired: () => undefined,
      pruned: () => undefined,
      exclusively: (run) => run(),
    },
  );
  const preview = (policy: Partial<RetentionPolicy>) =>
    upkeep.preview({ ...keepEverything, ...policy }, { signal: new AbortController().signal });
  return { preview, asked };
}

test("a log from which nothing may go is looked at for its oldest segment alone", async () => {
  const { preview, asked } = await logOf(10);
  expect(await preview({})).toMatchObject({ events: 0n });
  expect(await preview({ maxAgeMs: 60_000 })).toMatchObject({ events: 0n });
  expect(asked).toEqual([1, 1]);
});

test("one from which some may go is looked at as far as that", async () => {
  const { preview, asked } = await logOf(10);
  // All but the newest segment.
  expect(await preview({ maxBytes: 1 })).toMatchObject({ events: 9n });
  expect(asked[0]).toBe(1);
  expect(asked.slice(1).every((limit) => limit > 100)).toBe(true);
});
