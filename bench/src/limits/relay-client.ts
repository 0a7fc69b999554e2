import { connect } from "node:http2";
import { amqpQueues } from "../peers/clients/amqp-queues.ts";
import { given, type PeerClient, type Take } from "../peers/client.ts";

/** Bytes of every payload: nothing else tells where one ends. */
const payloadBytes = 256;

/** Publishes to the queue of a relay with amqplib, and reads what the relay writes to each stream of HTTP/2. */
export const relay: PeerClient = {
  window: amqpQueues.window,
  create: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  openPublisher: (target) => amqpQueues.openPublisher(target, { name: given(target, "queue"), subscribers: [], eventBytes: payloadBytes }),
  async openSubscribers(target, { subscribers }, take) {
    const session = connect(given(target, "relayUrl"));
    await Promise.all(subscribers.map((_, index) => read(session.request({ ":path": "/" }), index, take)));
    return {
      close() {
        // The relay ends no stream.
        session.destroy();
        return Promise.resolve();
      },
    };
  },
};

/** Resolves when the relay has begun to answer. */
function read(stream: ReturnType<ReturnType<typeof connect>["request"]>, index: number, take: Take): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest: Buffer = Buffer.alloc(0);
    stream.once("error", reject);
    stream.once("data", () => {
      resolve();
      stream.on("data", (chunk: Buffer) => {
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        const whole = rest.length - (rest.length % payloadBytes);
        for (let at = 0; at < whole; at += payloadBytes) take(index, rest.subarray(at, at + payloadBytes));
        rest = rest.subarray(whole);
      });
    });
  });
}
