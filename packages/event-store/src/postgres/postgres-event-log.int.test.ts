import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { startFaultProxy, testNamespace } from "@warren/test-servers";
import { sql } from "kysely";
import { expect, inject, test, vi } from "vitest";
import { describeEventLog, slice } from "../contract/index.ts";
import { createPostgresEventLog, migrateEventLog } from "./postgres-event-log.ts";

describeEventLog("PostgreSQL", async () => {
  const schema = schemaName(testNamespace(), "broker");
  const url = new URL(inject("databaseUrl"));
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5432) });
  const through = new URL(url);
  through.host = `127.0.0.1:${proxy.port}`;
  const open = (address: URL) =>
    openDatabase<unknown>({ url: address.href, schema, applicationName: `test ${schema}`, logger: silentLogger });
  const [direct, database] = [open(url), open(through)];
  // Two processes that start together.
  await Promise.all([migrateEventLog(database), migrateEventLog(direct)]);
  const logRow = (): Promise<unknown> =>
    sql`select sum(head_offset)::bigint as heads from ${sql.id(schema, "logs")}`
      .execute(direct.db)
      .then(({ rows }) => (rows[0] as { heads: bigint }).heads);
  const log = createPostgresEventLog(database);
  const waiting = async (): Promise<number> => {
    const { rows } =
      await sql`select 1 from pg_stat_activity where application_name = ${`test ${schema}`} and wait_event_type = 'Lock'`.execute(
        direct.db,
      );
    return rows.length;
  };
  return {
    log,
    faults: {
      async loseAnswerOf(append) {
        const before = await logRow();
        proxy.swallowAnswers();
        const result = append();
        result.catch(() => undefined);
        await vi.waitFor(async () => expect(await logRow()).not.toBe(before));
        proxy.resume();
        proxy.reset();
        return result;
      },
      async away(append) {
        // Nothing listens where the log looks for its database.
        await proxy.refuse();
        // Until the pool has noticed that its idle connections are gone: an append on one of them may have been heard.
        for (let i = 0; i < 10; i += 1) await log.status(1n).catch(() => undefined);
        try {
          return await append();
        } finally {
          await proxy.accept();
        }
      },
      async late(append) {
        // A lock keeps the statement waiting while its caller loses the connection.
        const { promise: held, resolve: release } = Promise.withResolvers<void>();
        const { promise: locked, resolve: isLocked } = Promise.withResolvers<void>();
        const holding = direct.db.transaction().execute(async (transaction) => {
          await sql`select 1 from ${sql.id(schema, "logs")} for update`.execute(transaction);
          isLocked();
          await held;
        });
        await locked;
        const sent = append();
        sent.catch(() => undefined);
        await vi.waitFor(async () => expect(await waiting()).toBe(1));
        // The caller is told that the outcome is unknown; the statement waits on.
        proxy.reset();
        await sent.catch(() => undefined);
        return async () => {
          release();
          await holding;
          await vi.waitFor(async () => expect(await waiting()).toBe(0));
        };
      },
      async refuse(id) {
        const constraint = sql`check (position(convert_to(${sql.lit(id)}, 'utf8') in payload) = 0)`;
        await sql`alter table ${sql.id(schema, "log_segments")} add ${constraint}`.execute(direct.db);
      },
    },
    async close() {
      await sql`drop schema ${sql.id(schema)} cascade`.execute(direct.db);
      await Promise.all([database.close(), direct.close()]);
      await proxy.close();
    },
  };
});

test("W2: what became of an append of 500 events is asked in two statements, not in 500", async () => {
  const schema = schemaName(testNamespace(), "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
  await migrateEventLog(database);
  let statements = 0;
  const counted = database.db.withPlugin({
    transformQuery({ node }) {
      statements += 1;
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  });
  const log = createPostgresEventLog({ ...database, db: counted });
  await log.create(1n);
  const { epoch } = await log.claim(1n);
  const events = Array.from({ length: 500 }, (_, n) => slice({ id: `e${n}` }));
  await log.append({ receiverId: 1n, epoch, headOffset: 0n, events, quarantined: [] });
  statements = 0;
  const known = await log.known(1n, events.toReversed());
  expect(statements).toBe(2);
  expect(known).toEqual(events.map((_, index) => ({ index, offset: BigInt(500 - index), sameContent: true })));
  await sql`drop schema ${sql.id(schema)} cascade`.execute(database.db);
  await database.close();
});
