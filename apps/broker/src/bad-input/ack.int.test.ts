import { OnConflict } from "@warren/protocol/v1";
import { describeBadInput, type BadInputRow } from "@warren/test-servers";
import { outcome, World } from "../testing/bad-input-world.ts";
import type { RawSession } from "../testing/raw-session.ts";

const path = "warren.v1.SubscriptionService/Ack";

/** A live consumer that was sent three events, of which it acked one. */
async function withThree(world: World, consumer: string): Promise<{ readonly session: RawSession; readonly sessionId: string }> {
  const session = world.session({ consumer, receiver: { patterns: [`${consumer}.#`] } });
  await session.frame("caughtUp");
  for (const text of ["one", "two", "three"]) await world.foreign(`${consumer}.x`, text);
  await session.received(3);
  const { sessionId } = await session.frame("opened");
  session.ack({ upToOffset: 1n });
  await session.frame("acked", ({ ackedOffset }) => ackedOffset === 1n);
  return { session, sessionId };
}

const ack = (world: World, sessionId: string, upToOffset: bigint): Promise<string> =>
  outcome(async () => `acked ${(await world.subscriptions.ack({ sessionId, upToOffset })).ackedOffset}`);

/** What an ack in the stream gives; then the stream must still take a good one. */
async function inStream(world: World, consumer: string, send: (session: RawSession) => void): Promise<string> {
  const { session } = await withThree(world, consumer);
  send(session);
  const { code } = await session.frame("refused");
  const before = (await world.admin.getConsumer({ consumer })).consumer?.ackedOffset;
  session.ack({ upToOffset: 3n });
  await session.frame("acked", ({ ackedOffset }) => ackedOffset === 3n);
  await session.leave();
  return `refused ${code}, offset ${before}, the stream goes on`;
}

const json = (number: string, input: string, offset: string, expected: string, note?: string): BadInputRow<World> => ({
  number,
  input,
  expected,
  ...(note === undefined ? {} : { note }),
  async got(world) {
    const { session, sessionId } = await withThree(world, `json-${number}`);
    const got = await world.json(path, `{"sessionId":"${sessionId}","upToOffset":${offset}}`);
    await session.leave();
    return got;
  },
});

const rows: readonly BadInputRow<World>[] = [
  {
    number: "51a",
    input: "an ack above what was sent, in the stream",
    expected: "refused ACK_INVALID, offset 1, the stream goes on",
    got: (world) => inStream(world, "above", (session) => session.ack({ upToOffset: 4n })),
  },
  {
    number: "51b",
    input: "an ack above what was sent, beside the stream",
    expected: "invalid_argument ACK_INVALID",
    async got(world) {
      const { session, sessionId } = await withThree(world, "above-beside");
      const got = await ack(world, sessionId, 4n);
      await session.leave();
      return got;
    },
  },
  {
    number: "51c",
    input: "an ack of offset -1",
    expected: "refused ACK_INVALID, offset 1, the stream goes on",
    got: (world) => inStream(world, "negative", (session) => session.ack({ upToOffset: -1n })),
  },
  {
    number: "51d",
    input: "a range that ends before it begins",
    expected: "refused ACK_INVALID, offset 1, the stream goes on",
    got: (world) => inStream(world, "turned", (session) => session.ack({ ranges: [{ first: 3n, last: 2n }] })),
  },
  {
    number: "51e",
    input: "1 001 ranges",
    expected: "refused ACK_INVALID, offset 1, the stream goes on",
    got: (world) =>
      inStream(world, "many", (session) => session.ack({ ranges: Array.from({ length: 1_001 }, () => ({ first: 2n, last: 2n })) })),
  },
  {
    number: "51f",
    input: "a side delivery that was never sent",
    expected: "refused ACK_INVALID, offset 1, the stream goes on",
    got: (world) => inStream(world, "sides", (session) => session.ack({ deliveryIds: [7n] })),
  },
  {
    number: "51g",
    input: "a park of an event that was never sent",
    expected: "refused ACK_INVALID, offset 1, the stream goes on",
    got: (world) => inStream(world, "park", (session) => session.park({ offset: 9n, reason: "x" })),
  },
  {
    number: "51h",
    input: "a park of nothing",
    expected: "refused REQUEST_INVALID, offset 1, the stream goes on",
    got: (world) => inStream(world, "park-nothing", (session) => session.park({ reason: "x" })),
  },
  {
    number: "51i",
    input: "a park whose reason has a NUL and 12 000 bytes",
    expected: "parked",
    note: "a reason is for people: what PostgreSQL does not take is replaced",
    async got(world) {
      const { session } = await withThree(world, "park-reason");
      session.park({ offset: 2n, reason: `a\u0000b${"😀".repeat(3_000)}` });
      await session.frame("acked", ({ ackedOffset }) => ackedOffset === 2n);
      await session.leave();
      return "parked";
    },
  },
  {
    number: "52",
    input: "an ack of what is acked, and of less",
    expected: "acked 1, acked 1",
    async got(world) {
      const { session, sessionId } = await withThree(world, "again");
      const got = `${await ack(world, sessionId, 1n)}, ${await ack(world, sessionId, 0n)}`;
      await session.leave();
      return got;
    },
  },
  {
    number: "53",
    input: "an ack of a session that was taken over",
    expected: "aborted TAKEN_OVER, offset 1",
    async got(world) {
      const consumer = "old-token";
      const { session, sessionId } = await withThree(world, consumer);
      const next = world.session({ consumer, receiver: { patterns: [`${consumer}.#`] }, onConflict: OnConflict.TAKE_OVER });
      await session.ended();
      await next.frame("opened");
      const got = await ack(world, sessionId, 3n);
      const saved = (await world.admin.getConsumer({ consumer })).consumer?.ackedOffset;
      await next.leave();
      return `${got}, offset ${saved}`;
    },
  },
  { number: "54", input: "an ack for a session nobody has", expected: "not_found NOT_FOUND", got: (world) => ack(world, "nobody", 1n) },
  json("55a", "an ack of 2^63", '"9223372036854775808"', "400 invalid_argument"),
  json("55b", 'an ack of "1e300"', '"1e300"', "400 invalid_argument"),
  json("55c", "an ack of 1.5", "1.5", "400 invalid_argument"),
  json("55d", "an ack of null", "null", "200", "null is the default of a field"),
  json("56", "an unquoted 9007199254740993", "9007199254740993", "400 invalid_argument", "JSON would round it: offsets are strings"),
  {
    number: "58",
    input: "an ack after the stream ended",
    expected: "failed_precondition SESSION_CLOSED",
    async got(world) {
      const { session, sessionId } = await withThree(world, "late");
      await session.leave();
      for (;;) {
        const got = await ack(world, sessionId, 2n);
        // The end of the stream is on its way to the broker.
        if (!got.startsWith("acked")) return got;
      }
    },
  },
];

describeBadInput("ack", rows, () => World.open());
