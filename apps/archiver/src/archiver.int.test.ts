import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { ArchiveService } from "@warren/protocol/v1";
import { testNamespace } from "@warren/test-servers";
import { createAmqpTransport } from "@warren/transport/amqp";
import { connect } from "amqplib";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { openArchiver, type Archiver } from "./composition-root.ts";
import { readArchiverConfig } from "./config.ts";

describe("the archiver on real servers", () => {
  let namespace = "";
  const running: Archiver[] = [];
  beforeEach(() => {
    namespace = testNamespace();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((archiver) => archiver.drain()));
    const schema = schemaName(namespace, "archive");
    const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
    await sql`drop schema if exists ${sql.id(schema)} cascade`.execute(database.db);
    await database.close();
  });

  async function start(more: Readonly<Record<string, string>> = {}) {
    const environment = {
      WARREN_AMQP_URL: inject("amqpUrl"),
      WARREN_DATABASE_URL: inject("databaseUrl"),
      WARREN_NAMESPACE: namespace,
      WARREN_LISTEN: "127.0.0.1:0",
      ...more,
    };
    const archiver = openArchiver(readArchiverConfig(environment), silentLogger);
    running.push(archiver);
    await archiver.start(new AbortController().signal);
    const client = createClient(ArchiveService, createConnectTransport({ baseUrl: archiver.url, httpVersion: "2" }));
    return { archiver, client };
  }
  const ready = (url: string): Promise<void> =>
    vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), { timeout: 10_000 });

  test("makes the exchange, and stores each event once, also one that is sent again after a restart", async () => {
    const { archiver, client } = await start();
    await ready(archiver.url);
    const transport = createAmqpTransport({ url: inject("amqpUrl") });
    const publisher = transport.createPublisher({ exchange: `${namespace}.events` });
    const send = (id: string) =>
      publisher.publish({
        exchange: `${namespace}.events`,
        routingKey: "a.b",
        messageId: id,
        appId: "test",
        headers: new Map(),
        body: Buffer.from(id),
      });
    expect(await Promise.all(["1", "2", "3"].map(send))).toEqual([{ kind: "ok" }, { kind: "ok" }, { kind: "ok" }]);
    await vi.waitFor(async () => expect((await client.countEvents({})).count).toBe(3n));
    await archiver.drain();

    await Promise.all(["3", "4"].map(send));
    const again = await start();
    await vi.waitFor(async () => expect(await again.client.countEvents({})).toMatchObject({ count: 4n, headPosition: 4n }), {
      timeout: 10_000,
    });
    expect(again.archiver.counters).toMatchObject({ stored: 1, repeats: 1 });
    const ids: string[] = [];
    for await (const { events } of again.client.readEvents({ afterPosition: 1n, maxEvents: 2n }))
      ids.push(...events.map(({ event }) => event?.id ?? ""));
    expect(ids).toEqual(["2", "3"]);
    await expect(again.client.getEvent({ source: "/amqp/test", id: "9" })).rejects.toThrow("the archive has no event");
    await expect(again.client.countEvents({ filter: { patterns: ["a..b"] } })).rejects.toThrow("has an empty word");
    const refused = { code: Code.InvalidArgument, message: expect.stringContaining("NUL character") as unknown };
    await expect(again.client.countEvents({ filter: { source: "a\0" } })).rejects.toMatchObject(refused);
    await expect(again.client.getEvent({ source: "/s", id: "a\0" })).rejects.toMatchObject(refused);
    await transport.close();
  });

  test("waits for an exchange that it was pointed at, and says why it is not ready", async () => {
    const exchange = `${namespace}-later`;
    const { archiver } = await start({ WARREN_EXCHANGE: exchange });
    const problems = async (): Promise<string> =>
      ((await (await fetch(`${archiver.url}/readyz?verbose`)).json()) as { problems?: { rabbitmq?: string } }).problems?.rabbitmq ?? "";
    await vi.waitFor(async () => expect(await problems()).toContain(`exchange ${exchange} does not exist yet`));
    const admin = await connect(inject("amqpUrl"));
    const channel = await admin.createChannel();
    await channel.assertExchange(exchange, "topic", { durable: true });
    await ready(archiver.url);
    await channel.deleteExchange(exchange);
    await admin.close();
  });

  test("refuses a wrong configuration with every problem and its cure", () => {
    expect(() => readArchiverConfig({ WARREN_AMQP_URL: "http://x", WARREN_NAMESPACE: "Ünder" })).toThrow(
      /WARREN_AMQP_URL must look like amqp:.*WARREN_DATABASE_URL is not set.*WARREN_NAMESPACE is "Ünder"; it must be a lower-case letter/s,
    );
    const good = { WARREN_AMQP_URL: "amqp://x", WARREN_DATABASE_URL: "postgres://x" };
    expect(() => readArchiverConfig({ ...good, WARREN_LISTEN: "nowhere" })).toThrow("must look like 127.0.0.1:7070");
    expect(readArchiverConfig(good)).toMatchObject({ exchange: { name: "warren.events", mode: "declare" }, listen: { port: 7071 } });
    expect(() => readArchiverConfig({ ...good, WARREN_LOG_LEVEL_FILE: "/nonexistent" })).toThrow(
      "WARREN_LOG_LEVEL_FILE names a file that cannot be read",
    );
  });

  test("listens and says what is missing while both servers are away", async () => {
    const archiver = openArchiver(
      readArchiverConfig({
        WARREN_AMQP_URL: "amqp://127.0.0.1:1",
        WARREN_DATABASE_URL: "postgres://postgres@127.0.0.1:1/x",
        WARREN_LISTEN: "127.0.0.1:0",
      }),
      silentLogger,
    );
    const abort = new AbortController();
    const starting = archiver.start(abort.signal);
    await vi.waitFor(() => expect(archiver.url).not.toBe(""));
    expect((await fetch(`${archiver.url}/startupz`)).status).toBe(503);
    expect((await fetch(`${archiver.url}/livez`)).status).toBe(200);
    abort.abort(new Error("enough"));
    await expect(starting).rejects.toThrow("enough");
    await archiver.drain();
  });
});
