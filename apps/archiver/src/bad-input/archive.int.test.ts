import { ConnectError, createClient, type Client } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { ArchiveService } from "@warren/protocol/v1";
import { describeBadInput, testNamespace, type BadInputRow } from "@warren/test-servers";
import { sql } from "kysely";
import { inject } from "vitest";
import { openArchiver } from "../composition-root.ts";
import { readArchiverConfig } from "../config.ts";

type Archive = Client<typeof ArchiveService>;
interface World {
  readonly client: Archive;
  close(): Promise<void>;
}

async function open(): Promise<World> {
  const namespace = testNamespace();
  const environment = {
    WARREN_AMQP_URL: inject("amqpUrl"),
    WARREN_DATABASE_URL: inject("databaseUrl"),
    WARREN_NAMESPACE: namespace,
    WARREN_LISTEN: "127.0.0.1:0",
  };
  const archiver = openArchiver(readArchiverConfig(environment), silentLogger);
  await archiver.start(new AbortController().signal);
  return {
    client: createClient(ArchiveService, createConnectTransport({ baseUrl: archiver.url, httpVersion: "2" })),
    async close() {
      await archiver.drain();
      const schema = schemaName(namespace, "archive");
      const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
      await sql`drop schema if exists ${sql.id(schema)} cascade`.execute(database.db);
      await database.close();
    },
  };
}

function row(number: string, input: string, expected: string, call: (client: Archive) => Promise<unknown>): BadInputRow<World> {
  return {
    number,
    input,
    expected,
    async got({ client }) {
      try {
        await call(client);
        return "ok";
      } catch (error) {
        const { code, metadata } = ConnectError.from(error);
        return `${codeToString(code)} ${metadata.get("warren-code") ?? ""}`;
      }
    },
  };
}

const time = (seconds: bigint) => ({ seconds, nanos: 0 });
const invalid = "invalid_argument REQUEST_INVALID";

/** Reads to the end. */
async function read(client: Archive, request: Parameters<Archive["readEvents"]>[0]): Promise<void> {
  for await (const _ of client.readEvents(request)) void _;
}

const rows: readonly BadInputRow<World>[] = [
  row("94a", "the archive from after to", invalid, (client) => client.countEvents({ filter: { fromTime: time(2n), toTime: time(1n) } })),
  row("94b", "the archive from the year 300 000 on", invalid, (client) =>
    client.countEvents({ filter: { fromTime: time(9_404_000_000_000n) } }),
  ),
  row("94c", "the archive until 2^63-1 seconds", invalid, (client) =>
    client.countEvents({ filter: { toTime: time(9_223_372_036_854_775_807n) } }),
  ),
  row("94d", "the archive from -2^63 seconds", invalid, (client) =>
    client.countEvents({ filter: { fromTime: time(-9_223_372_036_854_775_808n) } }),
  ),
  row("94e", "the archive by a source with NUL", invalid, (client) => client.countEvents({ filter: { source: "a\u0000" } })),
  row("94f", "the archive by a source of SQL", "ok", (client) => client.countEvents({ filter: { source: "' OR 1=1--" } })),
  row("94g", "the archive by a pattern of six #", "invalid_argument PATTERN_INVALID", (client) =>
    client.countEvents({ filter: { patterns: ["#.a.#.b.#.c.#.d.#.e.#"] } }),
  ),
  row("95a", "reading after position -1", invalid, (client) => read(client, { afterPosition: -1n })),
  row("95b", "reading after position 2^63-1", "ok", (client) => read(client, { afterPosition: 9_223_372_036_854_775_807n })),
  row("95c", "reading 2^63-1 events", "ok", (client) => read(client, { maxEvents: 9_223_372_036_854_775_807n })),
  row("96a", "an event with a NUL in its id", invalid, (client) => client.getEvent({ source: "/s", id: "\u0000" })),
  row("96b", "an event nobody published", "not_found NOT_FOUND", (client) => client.getEvent({ source: "__proto__", id: "constructor" })),
];

describeBadInput("archive", rows, open);
