import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RetentionSchema } from "@warren/protocol/v1";
import { describeBadInput, type BadInputRow } from "@warren/test-servers";
import { describeError, outcome, World } from "../testing/bad-input-world.ts";

const after = (afterOffset: bigint) => ({ start: { case: "afterOffset" as const, value: afterOffset } });

/** A name that exists. */
async function asleep(world: World): Promise<string> {
  await world.open({ consumer: "known", receiver: { patterns: ["admin.#"] } });
  return "known";
}

function row(
  number: string,
  input: string,
  expected: string,
  call: (world: World, consumer: string) => Promise<unknown>,
  note?: string,
): BadInputRow<World> {
  return {
    number,
    input,
    expected,
    ...(note === undefined ? {} : { note }),
    got: async (world) => {
      const consumer = await asleep(world);
      return outcome(async () => {
        await call(world, consumer);
        return "ok";
      });
    },
  };
}

const invalid = "invalid_argument REQUEST_INVALID";
const unknown = "not_found NOT_FOUND";

/** Sets the retention of a receiver that exists. */
async function retain({ admin }: World, retention: MessageInitShape<typeof RetentionSchema>): Promise<unknown> {
  const { receivers } = await admin.listReceivers({});
  return admin.setRetention({ receiverKey: receivers[0]?.receiverKey ?? "", retention });
}

const rows: readonly BadInputRow<World>[] = [
  {
    number: "80",
    input: "deleting a receiver that has consumers",
    expected: "failed_precondition RECEIVER_IN_USE",
    async got(world) {
      const session = world.session({ consumer: "user", receiver: { patterns: ["used.#"] } });
      const { receiverKey } = await session.frame("opened");
      const got = await outcome(async () => `deleted ${(await world.admin.deleteReceiver({ receiverKey })).receiver?.queue}`);
      await session.leave();
      return got;
    },
  },
  {
    number: "84",
    input: "seeking a consumer that is live",
    expected: "moved, its session ends unavailable CONSUMER_MOVED",
    note: "a live consumer may be moved: its session is fenced, and opens again at the new place",
    async got(world) {
      const open = { consumer: "moved", receiver: { patterns: ["moved.#"] } };
      const session = world.session(open);
      await session.frame("caughtUp");
      await world.admin.seekConsumer({ consumer: open.consumer, to: after(0n) });
      return `moved, its session ends ${describeError(await session.ended())}`;
    },
  },
  row("85a", "seek without a place", invalid, ({ admin }, consumer) => admin.seekConsumer({ consumer })),
  row("85b", "seek above the head", "out_of_range OFFSET_OUT_OF_RANGE", ({ admin }, consumer) =>
    admin.seekConsumer({ consumer, to: after(9_000n) }),
  ),
  row("85c", "seek below 0", invalid, ({ admin }, consumer) => admin.seekConsumer({ consumer, to: after(-1n) })),
  row("85d", "seek to a time in the future", invalid, ({ admin }, consumer) =>
    admin.seekConsumer({ consumer, to: { start: { case: "time", value: { seconds: 253_402_300_799n, nanos: 0 } } } }),
  ),
  row("85e", "seek to -2^63 seconds", invalid, ({ admin }, consumer) =>
    admin.seekConsumer({ consumer, to: { start: { case: "time", value: { seconds: -9_223_372_036_854_775_808n, nanos: 0 } } } }),
  ),
  row("86a", "seek of a name nobody has", unknown, ({ admin }) => admin.seekConsumer({ consumer: "nobody", to: after(0n) })),
  row("86b", "pause of a name nobody has", unknown, ({ admin }) => admin.pauseConsumer({ consumer: "nobody" })),
  row("86c", "delete of a name nobody has", unknown, ({ admin }) => admin.deleteConsumer({ consumer: "nobody" })),
  row("86d", "a name with NUL", unknown, ({ admin }) => admin.getConsumer({ consumer: "a\u0000b" })),
  row("86e", "a name __proto__ that nobody has", unknown, ({ admin }) => admin.getConsumer({ consumer: "__proto__" })),
  row("86f", "a receiver nobody has", unknown, ({ admin }) => admin.getReceiver({ receiverKey: "' OR 1=1--" })),
  row("86g", "the quarantine of a receiver nobody has", unknown, ({ admin }) => admin.listQuarantined({ receiverKey: "" })),
  row("87a", "a page of 1 001 parked events", invalid, ({ admin }, consumer) => admin.listParked({ consumer, limit: 1_001 })),
  row("87b", "a page of 101 events in quarantine", invalid, ({ admin }) => admin.listQuarantined({ receiverKey: "x", limit: 101 })),
  row("87c", "parked events after -2^63", "ok", ({ admin }, consumer) =>
    admin.listParked({ consumer, afterOffset: -9_223_372_036_854_775_808n }),
  ),
  row("88a", "discard of nothing", invalid, ({ admin }, consumer) => admin.discardParked({ consumer })),
  row("88b", "discard of some and of all", invalid, ({ admin }, consumer) => admin.discardParked({ consumer, offsets: [1n], all: true })),
  row("88c", "discard of 100 000 offsets that are not parked", "ok", ({ admin }, consumer) =>
    admin.discardParked({ consumer, offsets: Array.from({ length: 100_000 }, (_, i) => BigInt(i + 1)) }),
  ),
  row(
    "88d",
    "retry of offsets below 1",
    "ok",
    ({ admin }, consumer) => admin.retryParked({ consumer, offsets: [0n, -1n] }),
    "none of them is parked",
  ),
  row("89a", "a reason with NUL", invalid, ({ admin }, consumer) => admin.pauseConsumer({ consumer, reason: "a\u0000b" })),
  {
    number: "89b",
    input: "a reason cut within a character",
    expected: "paused with well-formed text",
    async got(world) {
      const consumer = await asleep(world);
      await world.admin.pauseConsumer({ consumer, reason: `x${"😀".repeat(1_000)}` });
      const found = (await world.admin.getConsumer({ consumer })).consumer;
      await world.admin.resumeConsumer({ consumer });
      const well = found?.paused.isWellFormed() === true && !found.paused.includes("\uFFFD");
      return `paused with ${well ? "well-formed" : "broken"} text`;
    },
  },
  row("97a", "retention of a receiver nobody has", unknown, ({ admin }) => admin.setRetention({ receiverKey: "nothing" })),
  row("97b", "retention of half a second", invalid, (world) => retain(world, { maxAge: { seconds: 0n, nanos: 500_000_000 } })),
  row("97c", "retention of -1 s", invalid, (world) => retain(world, { maxAge: { seconds: -1n, nanos: 0 } })),
  row("97d", "retention of 2^63-1 s", invalid, (world) => retain(world, { maxAge: { seconds: 9_223_372_036_854_775_807n, nanos: 0 } })),
  row("97e", "retention of -1 bytes", invalid, (world) => retain(world, { maxBytes: -1n })),
  row("98a", "expiry after half a second", invalid, ({ admin }, consumer) =>
    admin.updateConsumer({ consumer, expireAfter: { seconds: 0n, nanos: 500_000_000 } }),
  ),
  row("98b", "expiry after 2^63-1 s", invalid, ({ admin }, consumer) =>
    admin.updateConsumer({ consumer, expireAfter: { seconds: 9_223_372_036_854_775_807n, nanos: 0 } }),
  ),
  row("98c", "expiry of a name nobody has", unknown, ({ admin }) => admin.updateConsumer({ consumer: "nobody" })),
  row("90", "explain of an id with NUL, and one of 1 MB", "ok", async ({ admin }, consumer) => {
    await admin.explain({ consumer, source: "\u0000", id: "\u0000" });
    await admin.explain({ consumer, source: "x", id: "x".repeat(1_000_000) });
  }),
];

describeBadInput("admin", rows, () => World.open());
