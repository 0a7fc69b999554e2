import { createPostgresEventLog } from "@warren/event-store";
import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { createPostgresStateStore } from "@warren/state-store";
import { createAmqpTransport } from "@warren/transport/amqp";
import { inject } from "vitest";
import type { Deployment } from "./broker-under-test.ts";

/** The stores and RabbitMQ of a deployment, beside its brokers. */
export function partsOf({ namespace }: Deployment) {
  const schema = schemaName(namespace, "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "parts", logger: silentLogger });
  const transport = createAmqpTransport({ url: inject("amqpUrl") });
  return {
    log: createPostgresEventLog(database),
    state: createPostgresStateStore(database),
    transport,
    async close() {
      await transport.close();
      await database.close();
    },
  };
}
