import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher } from "@warren/client";
import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { AdminService } from "@warren/protocol/v1";
import { sql } from "kysely";
import { expect, inject, test } from "vitest";
import { deploy } from "./testing/broker-under-test.ts";
import { RawSession } from "./testing/raw-session.ts";

test("W12: an event that PostgreSQL does not take costs a bisection: it is set aside, and everything else is delivered", async () => {
  const deployment = await deploy();
  const { url } = await deployment.start();
  const schema = schemaName(deployment.namespace, "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
  const poison = sql`check (position(convert_to('poison', 'utf8') in payload) = 0)`;
  await sql`alter table ${sql.id(schema, "log_segments")} add ${poison}`.execute(database.db);
  const session = new RawSession(url, { consumer: "sick", receiver: { patterns: ["sick.#"] } });
  await session.frame("caughtUp");
  await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
  const ids = Array.from({ length: 200 }, (_, i) => (i === 77 || i === 150 ? `poison-${i}` : `good-${i}`));
  await publisher.publishAll(ids.map((id) => ({ type: "sick.x", source: "/s", id })));
  await session.received(198);
  expect(session.events.map(({ id }) => id)).toEqual(ids.filter((id) => id.startsWith("good")));
  expect(session.offsets).toEqual(Array.from({ length: 198 }, (_, i) => BigInt(i + 1)));
  const { receiverKey } = await session.frame("opened");
  const client = createClient(AdminService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
  const { events } = await client.listQuarantined({ receiverKey, payload: true });
  expect(events.map(({ reason, id }) => [reason, id])).toEqual([
    ["refused", "poison-150"],
    ["refused", "poison-77"],
  ]);
  expect(events[0]).toMatchObject({ detail: expect.stringContaining("23514") as string, source: "/s", type: "sick.x" });
  expect(events[0]?.payload).toHaveLength(Number(events[0]?.size));
  await session.leave();
  await database.close();
  await deployment.close();
});
