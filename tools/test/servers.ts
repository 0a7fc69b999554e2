import { ensureRabbitMq, startPostgres, startRabbitMq, type PrivateServer } from "@warren/testkit";
import type { TestProject } from "vitest/node";

let starting: Promise<{ readonly amqpUrl: string; readonly databaseUrl: string; readonly started: readonly PrivateServer[] }> | undefined;
let users = 0;

const say = (line: string): void => void process.stderr.write(`[servers] ${line}\n`);

/** Servers for the projects that need them: those named by the environment, else private ones, started once for all projects. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  users += 1;
  starting ??= start();
  const { amqpUrl, databaseUrl, started } = await starting;
  project.provide("amqpUrl", amqpUrl);
  project.provide("databaseUrl", databaseUrl);
  return async () => {
    users -= 1;
    if (users > 0) return;
    starting = undefined;
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
