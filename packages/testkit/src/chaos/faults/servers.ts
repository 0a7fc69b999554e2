import { sql } from "kysely";
import type { Fault } from "../fault.ts";

/** Faults of RabbitMQ and PostgreSQL. */
export const serverFaults: readonly Fault[] = [
  {
    kind: "rabbitmq-kill",
    row: "F4",
    touches: ["rabbitmq"],
    lastsMs: [0, 500],
    async begin({ rabbitmq, journal }) {
      // A message may have reached some of its queues and not the others.
      journal.record({ kind: "routing-cut" });
      await rabbitmq.kill();
      journal.record({ kind: "routing-cut" });
      return { target: "RabbitMQ", end: () => rabbitmq.restart() };
    },
  },
  {
    kind: "rabbitmq-pause",
    row: "F5",
    touches: ["rabbitmq"],
    lastsMs: [2_000, 16_000],
    async begin({ rabbitmq }) {
      await rabbitmq.pause();
      return { target: "RabbitMQ", end: () => rabbitmq.resume() };
    },
  },
  {
    kind: "rabbitmq-alarm",
    row: "F12",
    touches: ["rabbitmq"],
    lastsMs: [3_000, 8_000],
    async begin({ rabbitmq }) {
      await rabbitmq.memoryAlarm(true);
      return { target: "RabbitMQ", end: () => rabbitmq.memoryAlarm(false) };
    },
  },
  {
    kind: "postgres-kill",
    row: "F7",
    touches: ["postgres"],
    lastsMs: [0, 2_000],
    async begin({ postgres }) {
      await postgres.faults.kill();
      return { target: "PostgreSQL", end: () => postgres.faults.restart() };
    },
  },
  {
    kind: "postgres-pause",
    row: "F8",
    touches: ["postgres"],
    lastsMs: [1_000, 12_000],
    async begin({ postgres }) {
      await postgres.faults.pause();
      return { target: "PostgreSQL", end: () => postgres.faults.resume() };
    },
  },
  {
    kind: "postgres-terminate",
    row: "F7",
    touches: ["postgres"],
    lastsMs: [1_000, 4_000],
    async begin({ database }) {
      const terminate = async (): Promise<void> => {
        await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'warren%'`.execute(database.db);
      };
      await terminate();
      const timer = setInterval(() => void terminate().catch(() => undefined), 250);
      return {
        target: "all connections of Warren, again and again",
        async end() {
          clearInterval(timer);
        },
      };
    },
  },
];
