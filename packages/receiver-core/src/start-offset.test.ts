import { createMemoryEventLog } from "@warren/event-store/memory";
import { encodeEvent, isWarrenError, toEvent } from "@warren/protocol";
import { expect, test } from "vitest";
import { startOffset } from "./start-offset.ts";

const receiverId = 1n;
const options = { signal: new AbortController().signal };
const refusedWith =
  (code: Parameters<typeof isWarrenError>[1]) =>
  (error: unknown): boolean =>
    isWarrenError(error, code);

/** A log that another broker may take; `store` appends as its holder. */
async function newLog() {
  const log = createMemoryEventLog();
  await log.create(receiverId);
  let claim = await log.claim(receiverId);
  let head = 0n;
  const store = async (count: number): Promise<void> => {
    const events = Array.from({ length: count }, (_, n) =>
      encodeEvent(toEvent({ type: "t", source: "/s" }, { id: `e${head + BigInt(n)}`, now: new Date(0) })),
    );
    await log.append({ receiverId, epoch: claim.epoch, headOffset: head, events, quarantined: [] });
    head += BigInt(count);
  };
  const after = (afterOffset: bigint, as: { readonly epoch: bigint; readonly headOffset: bigint }) =>
    startOffset({ kind: "after-offset", afterOffset }, log, receiverId, { ...as, oldestOffset: 1n }, options);
  const takeOver = async (): Promise<void> => void (claim = await log.claim(receiverId));
  return { store, after, takeOver, epoch: claim.epoch };
}

test("an offset above the head is refused, by the broker that holds the log", async () => {
  const { store, after, epoch } = await newLog();
  await store(3);
  await expect(after(4n, { epoch, headOffset: 3n })).rejects.toSatisfy(refusedWith("OFFSET_OUT_OF_RANGE"));
  expect(await after(3n, { epoch, headOffset: 3n })).toBe(3n);
});

test("what the database stored and the broker has not heard of yet is no offset above the head", async () => {
  const { store, after, epoch } = await newLog();
  await store(3);
  expect(await after(3n, { epoch, headOffset: 2n })).toBe(3n);
});

test("a broker that was replaced and does not know it says so, not that the offset is above a head that is old", async () => {
  const { store, after, takeOver, epoch } = await newLog();
  await store(2);
  await takeOver();
  await store(3);
  await expect(after(5n, { epoch, headOffset: 2n })).rejects.toSatisfy(refusedWith("FENCED"));
  await expect(after(9n, { epoch, headOffset: 2n })).rejects.toSatisfy(refusedWith("FENCED"));
});
