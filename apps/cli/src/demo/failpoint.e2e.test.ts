import { createPublisher, createSubscriber } from "@warren/client";
import { failpointEnv, startRealSystem, type RealSystem } from "@warren/testkit";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { builtCommand } from "./built-command.ts";

describe("a broker that is killed at a failpoint", () => {
  let system: RealSystem;
  beforeAll(async () => {
    process.env["WARREN_AMQP_URL"] ??= inject("amqpUrl");
    process.env["WARREN_DATABASE_URL"] ??= inject("databaseUrl");
    system = await startRealSystem(builtCommand, () => undefined);
  });
  afterAll(() => system.stop());

  test.each(["rx.after_commit_before_ack", "rx.after_append_before_commit", "rx.after_ack_before_fanout", "cs.after_offset_save"])(
    "%s loses nothing, and repeats nothing to a program that stays",
    async (failpoint) => {
      await system.restartBroker(failpointEnv(`${failpoint}:kill@3`));
      const { brokerUrl, amqpUrl, exchange, brokerEnded } = system;
      const type = `${failpoint}.x`;
      const subscription = createSubscriber({ brokerUrl }).subscribe({
        consumer: failpoint,
        patterns: [`${failpoint}.#`],
      });
      const total = 100;
      const handed: (readonly [bigint, unknown])[] = [];
      const consuming = (async () => {
        for await (const event of subscription) {
          handed.push([event.offset, (event.data as { readonly n: number }).n]);
          event.ack();
          if (handed.length === total) return;
        }
      })();
      for await (const { kind } of subscription.status()) if (kind === "caughtUp") break;
      const publisher = createPublisher({ amqpUrl, exchange });
      let killed = false;
      void brokerEnded.then(() => (killed = true));
      // One after the other until it dies, so that it stores several batches; the rest is there for who comes next.
      for (let n = 0; n < total; n += 1) {
        await publisher.publish({ type, source: "/e2e", id: `${failpoint}-${n}`, data: { n } });
        if (!killed) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(await brokerEnded).toBe("SIGKILL");
      await system.restartBroker();
      await consuming;
      expect(handed).toEqual(Array.from({ length: total }, (_, n) => [BigInt(n + 1), n]));
      await Promise.all([publisher.drain(), subscription.close()]);
    },
  );
});
