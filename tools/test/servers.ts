import { ensureRabbitMq, startPostgres, startRabbitMq } from "@warren/test-servers";
import type { TestProject } from "vitest/node";

const say = (line: string): void => void process.stderr.write(`[servers] ${line}\n`);

/** Projects that need servers. */
const users: ReadonlySet<string> = new Set(["int", "e2e"]);

/** Servers for the whole run: those named by the environment, else private ones. A run of unit tests alone starts none. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!project.vitest.projects.some(({ name }) => users.has(name))) return () => Promise.resolve();
  const { amqpUrl, databaseUrl, started } = await start();
  project.provide("amqpUrl", amqpUrl);
  project.provide("databaseUrl", databaseUrl);
  return async () => {
    if (started.length > 0) say("stopping the servers");
    await Promise.all(started.map((server) => server.stop()));
  };
}

async function start() {
  const amqpUrl = process.env["WARREN_AMQP_URL"];
  const databaseUrl = process.env["WARREN_DATABASE_URL"];
  if (amqpUrl === undefined) ensureRabbitMq(say);
  const began = performance.now();
  say(
    `RabbitMQ: ${amqpUrl === undefined ? "starting a private one" : "WARREN_AMQP_URL"}; PostgreSQL: ${databaseUrl === undefined ? "starting a private one" : "WARREN_DATABASE_URL"}`,
  );
  const [rabbitmq, postgres] = await Promise.all([
    amqpUrl === undefined ? startRabbitMq() : undefined,
    databaseUrl === undefined ? startPostgres() : undefined,
  ]);
  say(`ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return {
    amqpUrl: amqpUrl ?? rabbitmq?.url ?? "",
    databaseUrl: databaseUrl ?? postgres?.url ?? "",
    started: [rabbitmq, postgres].filter((server) => server !== undefined),
  };
}
