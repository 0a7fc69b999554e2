import { connect, constants, type ClientHttp2Stream } from "node:http2";
import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber } from "@warren/client";
import { Limits, Times } from "@warren/protocol";
import { AdminService, ConsumerState, SubscribeRequestSchema, type OpenSchema } from "@warren/protocol/v1";
import { startFaultProxy } from "@warren/test-servers";
import { afterAll, beforeAll, describe, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";
import { RawSession } from "./testing/raw-session.ts";
import { Recorder } from "./testing/recorder.ts";

/** A subscriber that opens a session and then reads nothing. Its connection lives: pings are answered. */
function openAndReadNothing(url: string, open: MessageInitShape<typeof OpenSchema>): { readonly stream: ClientHttp2Stream; end(): void } {
  const session = connect(url, { settings: { initialWindowSize: 64 * 1024 } });
  const message = toBinary(SubscribeRequestSchema, create(SubscribeRequestSchema, { command: { case: "open", value: open } }));
  const envelope = Buffer.alloc(5);
  envelope.writeUInt32BE(message.length, 1);
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: "/warren.v1.SubscriptionService/Subscribe",
    "content-type": "application/connect+proto",
    "connect-protocol-version": "1",
  });
  stream.on("error", () => undefined);
  stream.write(Buffer.concat([envelope, message]));
  stream.pause();
  return { stream, end: () => session.destroy() };
}

/** Many wait at the same time, for a broker that pings every five seconds. */
const eventually = <T>(look: () => T): ReturnType<typeof vi.waitFor<T>> => vi.waitFor(look, { timeout: 25_000, interval: 50 });

// At the same time: most of it is waiting.
describe.concurrent("peers that are slow, stuck or gone", () => {
  let deployment: Deployment;
  let url = "";
  let admin: Client<typeof AdminService>;
  beforeAll(async () => {
    deployment = await deploy();
    ({ url } = await deployment.start());
    admin = createClient(AdminService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
  });
  afterAll(() => deployment.close());

  const consumer = async (name: string) => (await admin.getConsumer({ consumer: name })).consumer;
  async function publish(type: string, count: number, bytes = 10): Promise<readonly string[]> {
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    const events = Array.from({ length: count }, (_, i) => ({ type, source: "/s", id: `${type} ${i + 1}`, data: "x".repeat(bytes) }));
    // A publisher holds so many bytes; each part is confirmed before the next.
    for (let i = 0; i < count; i += 50) await publisher.publishAll(events.slice(i, i + 50));
    return events.map(({ id }) => id);
  }

  test("W8: a subscriber that reads nothing makes the broker hold few of its events, is put to sleep, and its stream is cut; then it gets everything", async ({
    expect,
  }) => {
    const receiver = { patterns: ["stuck.#"] };
    const other = createSubscriber({ brokerUrl: url }).subscribe({ consumer: "beside", patterns: receiver.patterns });
    const others = new Recorder();
    const following = others.follow(other);
    await eventually(() => expect(other.current.kind).toBe("caughtUp"));
    const window = { maxInFlight: Limits.maxInFlight, maxInFlightBytes: Limits.maxInFlightBytes };
    const stuck = openAndReadNothing(url, { consumer: "stuck", receiver, ...window, sessionTimeout: { seconds: 5n } });
    await eventually(async () => expect((await consumer("stuck"))?.state).toBe(ConsumerState.LIVE));
    const bytes = 64 * 1024;
    const publishing = publish("stuck.x", 250, bytes);
    let [most, head] = [0n, 0n];
    await eventually(async () => {
      const { state, sentOffset = 0n, headOffset = 0n } = (await consumer("stuck")) ?? {};
      if (state !== ConsumerState.ASLEEP) [most, head] = [sentOffset, headOffset];
      expect(state).toBe(ConsumerState.ASLEEP);
    });
    const ids = await publishing;
    await eventually(() => expect(others.count).toBe(250));
    // Of all that was there for it, it was sent what fits into its window, a frame and what waits before it.
    expect(most).toBeGreaterThan(0n);
    expect(Number(most) * bytes).toBeLessThan(4 * Limits.batchBytes);
    expect(Number(head) * bytes).toBeGreaterThan(5 * Limits.batchBytes);
    expect((await consumer("beside"))?.state).toBe(ConsumerState.LIVE);
    // A stream with unread data is not closed as a whole; that it was reset shows.
    await eventually(() => expect(stuck.stream.rstCode).not.toBe(constants.NGHTTP2_NO_ERROR));
    stuck.end();
    const recorder = new Recorder();
    const again = createSubscriber({ brokerUrl: url }).subscribe({ consumer: "stuck", patterns: receiver.patterns });
    expect(await recorder.follow(again, 250)).toBeUndefined();
    await other.close();
    await following;
    expect([...recorder.faults, ...others.faults]).toEqual([]);
    expect(recorder.ids).toEqual(ids);
    expect(others.ids).toEqual(ids);
  });

  test("max_in_flight_bytes holds back what is not acked, and tells so", async ({ expect }) => {
    const session = new RawSession(url, { consumer: "bytes", receiver: { patterns: ["bytes.#"] }, maxInFlightBytes: 100_000 });
    await session.frame("caughtUp");
    await publish("bytes.x", 20, 30_000);
    await session.received(3);
    expect(await session.frame("heartbeat")).toMatchObject({ headOffset: 20n, sentOffset: 3n, waitingForAck: true });
    for (let offset = 3n; offset < 20n; offset = session.offsets.at(-1) ?? 0n) {
      session.ack({ upToOffset: offset });
      await session.received(Number(offset) + 1);
    }
    expect(session.offsets).toEqual(Array.from({ length: 20 }, (_, i) => BigInt(i + 1)));
    await session.leave();
  });

  test("a quiet topic is no silence: heartbeats come with head and sent offset, who stands by hears so again, and both are still there", async ({
    expect,
  }) => {
    const open = { consumer: "quiet", receiver: { patterns: ["quiet.#"] }, sessionTimeout: { seconds: 1n } };
    const session = new RawSession(url, open);
    await session.frame("caughtUp");
    await publish("quiet.x", 2);
    await session.received(2);
    session.ack({ upToOffset: 2n });
    await session.frame("acked");
    const standby = new RawSession(url, open);
    expect(await session.frame("heartbeat")).toMatchObject({ headOffset: 2n, sentOffset: 2n, waitingForAck: false });
    await standby.until(() => (standby.all("standby").length > 1 ? true : undefined));
    expect((await consumer("quiet"))?.state).toBe(ConsumerState.LIVE);
    await session.leave();
    await standby.frame("caughtUp");
    await standby.leave();
  });

  test("un-acked events and no sign of life for session_timeout: the session ends SESSION_SILENT, and the consumer sleeps", async ({
    expect,
  }) => {
    const session = new RawSession(url, { consumer: "mute", receiver: { patterns: ["mute.#"] }, sessionTimeout: { seconds: 1n } });
    await session.frame("caughtUp");
    await publish("mute.x", 2);
    const error = await session.ended();
    expect(error).toMatchObject({ rawMessage: expect.stringContaining("no sign of life for 1000 ms") as string });
    expect((await consumer("mute"))?.state).toBe(ConsumerState.ASLEEP);
  });

  test("a peer that is gone without a word is put to sleep within ping and time-out, and goes on exactly when it is back", async ({
    expect,
  }) => {
    const proxy = await startFaultProxy({ host: "127.0.0.1", port: Number(new URL(url).port) });
    const recorder = new Recorder();
    const subscription = createSubscriber({ brokerUrl: `http://127.0.0.1:${proxy.port}` }).subscribe({
      consumer: "gone",
      patterns: ["gone.#"],
    });
    const following = recorder.follow(subscription);
    await eventually(() => expect(subscription.current.kind).toBe("caughtUp"));
    await publish("gone.x", 30);
    await eventually(() => expect(subscription.ackedOffset).toBe(30n));
    proxy.blackhole();
    const began = performance.now();
    await eventually(async () => expect((await consumer("gone"))?.state).toBe(ConsumerState.ASLEEP));
    expect(performance.now() - began).toBeLessThan(Times.http2PingMs + Times.http2PingTimeoutMs + 2_000);
    await publish("gone.y", 30);
    await eventually(() => expect(["disconnected", "connecting"]).toContain(subscription.current.kind));
    proxy.resume();
    await eventually(() => expect(recorder.count).toBe(60));
    await subscription.close();
    await following;
    expect(recorder.faults).toEqual([]);
    await proxy.close();
  });
});
