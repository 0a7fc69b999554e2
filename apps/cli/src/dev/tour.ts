import { createPublisher, createSubscriber, type NewEvent, type Subscription } from "@warren/client";
import { createMemoryTransport } from "@warren/transport/memory";
import { githubEvents } from "../github-events.ts";
import type { DevSystem } from "./dev-system.ts";

/** Takes `count` events, acks them, and waits until that is saved. */
async function take(subscription: Subscription, count: number): Promise<readonly string[]> {
  const types: string[] = [];
  let last = -1n;
  const saved = (async () => {
    for await (const status of subscription.status())
      if (status.kind === "acked" && types.length === count && subscription.ackedOffset === last) return;
  })();
  for await (const event of subscription) {
    types.push(event.type);
    last = event.offset;
    event.ack();
    if (types.length === count) {
      await saved;
      break;
    }
  }
  return types;
}

async function until(subscription: Subscription, kind: string): Promise<void> {
  if (subscription.current.kind === kind) return;
  for await (const status of subscription.status()) if (status.kind === kind) return;
}

/** Shows the main job on real events: subscribe, receive, leave, miss, return, catch up, be live. Returns whether nothing was missed, repeated or swapped. */
export async function tour(system: DevSystem, say: (line: string) => void): Promise<boolean> {
  const events = githubEvents();
  const publisher = createPublisher({ transport: createMemoryTransport({ broker: system.messages }), exchange: system.exchange });
  const subscriber = createSubscriber({ brokerUrl: system.brokerUrl });
  const open = (): Subscription => subscriber.subscribe({ consumer: "tour", patterns: ["com.github.#"], start: "latest" });
  const [live, missed, after] = [events.slice(0, 100), events.slice(100, 300), events.slice(300)];
  const publish = (part: readonly NewEvent[]) => publisher.publishAll(part);
  const got: string[] = [];

  say(`The tour: ${events.length} webhook payloads of GitHub, types com.github.<event>[.<action>]`);
  say('1. A subscriber opens a stream as consumer "tour" and asks for com.github.#');
  const first = open();
  await until(first, "caughtUp");
  say(`2. A sender publishes ${live.length} events; the subscriber gets them live, and leaves`);
  await publish(live);
  got.push(...(await take(first, live.length)));
  say(`   got ${got.length}; the consumer is asleep now: a name and an offset, nothing else`);
  say(`3. The sender publishes ${missed.length} more: nobody listens, the receiver stores them`);
  await publish(missed);
  say("4. The subscriber comes back under its name: it gets what it missed, then it is live");
  const second = open();
  const taking = take(second, missed.length + after.length);
  await until(second, "caughtUp");
  say(`   caught up; the sender publishes the last ${after.length}, which arrive live`);
  await publish(after);
  got.push(...(await taking));

  const expected = events.map(({ type }) => type);
  const right = got.length === expected.length && got.every((type, index) => type === expected[index]);
  say(
    right
      ? `   got ${got.length} of ${expected.length}: none missed, none repeated, in order`
      : `   WRONG: got ${got.length} of ${expected.length}, or in another order`,
  );
  await subscriber.close();
  await publisher.drain();
  return right;
}
