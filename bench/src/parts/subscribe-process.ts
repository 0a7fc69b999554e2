import { createSubscriber, type Subscription } from "@warren/client";
import { answer } from "../harness/child.ts";
import type { OpenJob, TakeJob, Taken } from "./jobs.ts";

/* A process: named consumers that read and ack all they get, and count. */

const state = { taken: 0, asked: 0, wrong: 0, wanted: Number.POSITIVE_INFINITY, reached: (): void => undefined };
const open: Subscription[] = [];

async function read(subscription: Subscription): Promise<void> {
  let last = -1n;
  for await (const event of subscription) {
    if (last >= 0n && event.offset !== last + 1n) state.wrong += 1;
    last = event.offset;
    event.ack();
    state.taken += 1;
    if (state.taken >= state.wanted) state.reached();
  }
}

async function live(subscription: Subscription): Promise<void> {
  for await (const { kind } of subscription.status()) if (kind === "caughtUp") return;
}

/** Opens subscriptions; resolves when all are live. */
async function openAll({ subscriptions }: OpenJob): Promise<void> {
  const brokers = new Map<string, ReturnType<typeof createSubscriber>>();
  // A few at a time: each new config makes a queue.
  const waiting = [...subscriptions];
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { brokerUrl, consumer, patterns } = next;
      const subscriber = brokers.get(brokerUrl) ?? createSubscriber({ brokerUrl });
      brokers.set(brokerUrl, subscriber);
      const subscription = subscriber.subscribe({ consumer, patterns, maxInFlight: 10_000 });
      open.push(subscription);
      void read(subscription);
      await live(subscription);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
}

/** Resolves when so many more events were taken in all; what came since the last time counts. */
async function take({ events }: TakeJob): Promise<Taken> {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  state.asked += events;
  state.wanted = state.asked;
  const { promise, resolve } = Promise.withResolvers<void>();
  state.reached = resolve;
  if (state.taken >= state.wanted) resolve();
  await promise;
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - began) / 1000, cpuUs: used.user + used.system, wrong: state.wrong };
}

answer({
  open: openAll,
  take,
  async close() {
    await Promise.all(open.splice(0).map((subscription) => subscription.close()));
  },
});
