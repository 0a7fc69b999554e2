import { describeTransport } from "../contract/index.ts";
import { MemoryBroker } from "./memory-broker.ts";
import { createMemoryTransport } from "./memory-transport.ts";

describeTransport(
  "memory",
  async () => {
    const broker = new MemoryBroker();
    return {
      connect: () => createMemoryTransport({ broker }),
      prefix: "test",
      faults: {
        closeChannel: async (queue) => broker.faults.closeChannels(queue),
        resetConnection: async (queue) => broker.faults.resetConnections(queue),
        resetDuringSetup: async (count) => broker.faults.resetDuringSetup(count),
        deleteQueue: async (queue) => broker.faults.deleteQueue(queue),
        makeFanoutExchange: async (name) => broker.faults.makeFanoutExchange(name),
        block: async (reason) => broker.faults.block(reason),
      },
      close: () => Promise.resolve(),
    };
  },
  { block: true },
);
