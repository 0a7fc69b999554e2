import type { FaultProxy } from "./fault-proxy.ts";

/** Sizes and numbers of AMQP 0-9-1, section 4.2.3 and class 60: frame type, channel, size; class, method; end of frame. */
const frame = { head: 7, end: 1, types: [1, 2, 3, 8], method: 1, endOctet: 0xce, basic: 60, consume: 20, ack: 80 };

/** Who consumes through a proxy. */
export interface WatchedConsumers {
  /** How often a queue's consumer was opened. */
  opened(queue: string): number;
  /** Makes RabbitMQ close the channel of a queue's consumer, and it alone; waits until somebody consumes the queue. */
  breakChannel(queue: string): Promise<void>;
}

/** Remembers which channel consumes which queue. An ack of a tag that never was is a 406 of its channel, as is an ack that came too late (consumer_timeout). */
export function watchConsumers(proxy: FaultProxy): WatchedConsumers {
  const channels = new Map<string, () => void>();
  const opened = new Map<string, number>();
  let waiting: (() => void)[] = [];
  proxy.onSent((chunk, inject) => {
    for (
      let at = 0;
      at + frame.head + 6 < chunk.length && frame.types.includes(chunk[at] ?? 0);
      at += frame.head + chunk.readUInt32BE(at + 3) + frame.end
    ) {
      const method = at + frame.head;
      if (chunk[at] !== frame.method) continue;
      if (chunk.readUInt16BE(method) !== frame.basic || chunk.readUInt16BE(method + 2) !== frame.consume) continue;
      const name = method + 6;
      const queue = chunk.toString("utf8", name + 1, name + 1 + chunk.readUInt8(name));
      const ack = Buffer.alloc(frame.head + 13 + frame.end);
      ack.writeUInt8(frame.method, 0);
      ack.writeUInt16BE(chunk.readUInt16BE(at + 1), 1);
      ack.writeUInt32BE(13, 3);
      ack.writeUInt16BE(frame.basic, 7);
      ack.writeUInt16BE(frame.ack, 9);
      ack.writeBigUInt64BE(1_000_000n, 11);
      ack.writeUInt8(frame.endOctet, 20);
      channels.set(queue, () => inject(ack));
      opened.set(queue, (opened.get(queue) ?? 0) + 1);
      for (const resolve of waiting) resolve();
      waiting = [];
    }
  });
  return {
    opened: (queue) => opened.get(queue) ?? 0,
    async breakChannel(queue) {
      let run = channels.get(queue);
      for (; run === undefined; run = channels.get(queue)) await new Promise<void>((resolve) => waiting.push(resolve));
      run();
    },
  };
}
