import { connect } from "amqplib";
import type { Fault } from "../fault.ts";
import { until, type ChaosSystem } from "../system.ts";

/** Names of the receivers' queues. */
async function queues({ rabbitmq, namespace }: ChaosSystem): Promise<readonly string[]> {
  const printed = await rabbitmq.control(["-q", "list_queues", "name"]);
  return printed.split("\n").filter((name) => name.startsWith(`${namespace}.receiver.`));
}

/**
 * RabbitMQ writes down that a quorum queue exists some 500 ms after it was made. Killed before, it has a queue without a leader ever after: its own loss, none of
 * ours. So long nothing else is done to it.
 */
const registeredMs = 2_000;

/** What an operator does. */
export const operatorFaults: readonly Fault[] = [
  {
    kind: "queue-deleted",
    row: "F16",
    touches: ["rabbitmq", "postgres", "brokers", "network"],
    lastsMs: [0, 1_000],
    reaches: ["gap"],
    async begin(system, random) {
      const queue = random.pick((await queues(system)).toSorted());
      if (queue === undefined) throw new Error("there is no receiver's queue");
      const admin = await connect(system.amqpUrl);
      admin.on("error", () => undefined);
      await (await admin.createChannel()).deleteQueue(queue);
      await admin.close();
      return {
        target: queue,
        async end() {
          await until("the queue is made again", 40_000, async () => (await queues(system)).includes(queue));
          await new Promise((resolve) => setTimeout(resolve, registeredMs));
        },
      };
    },
  },
  {
    kind: "rabbitmq-stop-app",
    row: "F6",
    touches: ["rabbitmq"],
    lastsMs: [500, 2_000],
    async begin({ rabbitmq, journal }) {
      journal.record({ kind: "routing-cut" });
      await rabbitmq.control(["stop_app"]);
      journal.record({ kind: "routing-cut" });
      return {
        target: "RabbitMQ",
        async end() {
          await rabbitmq.control(["start_app"]);
        },
      };
    },
  },
  {
    kind: "connections-closed",
    row: "F6",
    touches: ["rabbitmq"],
    lastsMs: [0, 500],
    async begin({ rabbitmq }) {
      await rabbitmq.control(["close_all_connections", "chaos"]);
      return { target: "all connections of RabbitMQ", end: () => Promise.resolve() };
    },
  },
];
