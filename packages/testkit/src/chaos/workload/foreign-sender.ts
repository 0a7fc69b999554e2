import { connect, type ChannelModel } from "amqplib";
import type { HistoryRecord } from "../../history/history.ts";
import type { Way } from "./publisher.ts";
import type { PublisherSpec } from "./spec.ts";

type Outcome = Extract<HistoryRecord, { kind: "outcome" }>["outcome"];

/** How long it waits for the confirms of a batch, and for a connection. */
const confirmMs = 15_000;
const connectMs = 4_000;

/** Sends plain messages as a program that knows nothing of Warren does: connects again when its connection is lost, and gives up waiting after a while. */
export function foreignSender({ name, url, exchange }: Pick<PublisherSpec, "name" | "url" | "exchange">): Way {
  let model: ChannelModel | undefined;
  const drop = (): void => {
    // Where nothing answers this waits, until the heartbeat finds out.
    model?.close().catch(() => undefined);
    model = undefined;
  };
  return {
    async send(items) {
      const outcomes: Outcome[] = items.map(() => "indeterminate");
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("no confirm")), confirmMs);
      });
      late.catch(() => undefined);
      try {
        if (model === undefined) {
          model = await connect(`${url}?heartbeat=5`, { timeout: connectMs });
          model.on("error", () => undefined);
        }
        const channel = await Promise.race([model.createConfirmChannel(), late]);
        channel.on("error", () => undefined);
        const lost = new Promise<void>((resolve) => channel.once("close", resolve));
        const confirms = items.map(({ id, type, content }, index) => {
          const options = { messageId: id, appId: name, contentType: "application/json", persistent: true };
          return new Promise<void>((resolve) => {
            channel.publish(exchange, type, Buffer.from(JSON.stringify(content)), options, (error) => {
              if (error === null || error === undefined) outcomes[index] = "ok";
              resolve();
            });
          });
        });
        await Promise.race([Promise.all(confirms), lost, late]);
        await Promise.race([channel.close(), late]);
      } catch {
        drop();
      } finally {
        clearTimeout(timer);
      }
      // An answer that comes later is not waited for: the copy keeps what was known.
      return [...outcomes];
    },
    async close() {
      await model?.close().catch(() => undefined);
    },
  };
}
