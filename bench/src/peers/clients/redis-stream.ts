import { Redis } from "ioredis";
import { given, type PeerClient, type Target } from "../client.ts";

const open = (target: Target): Redis => new Redis(Number(given(target, "redisPort")), "127.0.0.1", { enableAutoPipelining: true });

/** A reply of XREADGROUP: for each stream its entries, each with its id and its fields. */
type Entries = readonly (readonly [Buffer, readonly (readonly [Buffer, readonly Buffer[]])[]])[];

/** Redis streams: XADD pipelined; a group for each subscriber, on a connection of its own, acked by XACK for all that one XREADGROUP brought. */
export const redisStream: PeerClient = {
  window: 5_000,
  async create(target, { name, subscribers }) {
    const redis = open(target);
    for (const group of subscribers) await redis.xgroup("CREATE", name, group, "0", "MKSTREAM");
    await redis.quit();
  },
  async remove(target, { name }) {
    const redis = open(target);
    await redis.unlink(name);
    await redis.quit();
  },
  async openPublisher(target, { name }) {
    const redis = open(target);
    return {
      send(payload, settle) {
        redis.xadd(name, "*", "d", payload).then(() => settle(), settle);
      },
      async close() {
        await redis.quit();
      },
    };
  },
  async openSubscribers(target, { name, subscribers }, take) {
    const closing = new AbortController();
    const running = subscribers.map(async (group, index) => {
      const redis = open(target);
      while (!closing.signal.aborted) {
        const reply = (await redis.xreadgroupBuffer(
          "GROUP",
          group,
          "bench",
          "COUNT",
          1_000,
          "BLOCK",
          500,
          "STREAMS",
          name,
          ">",
        )) as Entries | null;
        const entries = reply?.[0]?.[1] ?? [];
        for (const [, fields] of entries) take(index, fields[1] ?? Buffer.alloc(0));
        // On the way while the next are asked for.
        if (entries.length > 0) void redis.xack(name, group, ...entries.map(([id]) => id));
      }
      await redis.quit();
    });
    return {
      async close() {
        closing.abort();
        await Promise.all(running);
      },
    };
  },
};
