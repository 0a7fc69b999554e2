import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger, type EventSlice, type WarrenError } from "@warren/protocol";
import { startFaultProxy, testNamespace } from "@warren/test-servers";
import { sql } from "kysely";
import { expect, inject, test, vi } from "vitest";
import { describeEventLog, slice } from "../contract/index.ts";
import { sharingKey } from "../contract/events.ts";
import { eventKey } from "../event-key.ts";
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

/** A database with the tables of logs, and one claimed log. */
async function openLog() {
  const schema = schemaName(testNamespace(), "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
  await migrateEventLog(database);
  const log = createPostgresEventLog(database);
  await log.create(1n);
  const { epoch } = await log.claim(1n);
  const table = (name: string) => sql.id(schema, name);
  return {
    database,
    log,
    table,
    request: (headOffset: bigint, events: readonly EventSlice[]) => ({ receiverId: 1n, epoch, headOffset, events, quarantined: [] }),
    keys: async () =>
      (
        await sql<{ key: string }>`select event_key::text as key from ${table("log_event_keys")} order by event_offset`.execute(database.db)
      ).rows.map(({ key }) => key),
    async close() {
      await sql`drop schema ${sql.id(schema)} cascade`.execute(database.db);
      await database.close();
    },
  };
}

const uuidV7 = "0199f3a1-7c00-7abc-9def-0123456789ab";

test("W3: a log that was made with the first format of keys goes on with it: what it stored stays known, and is pruned with its keys", async () => {
  const { database, log, table, request, ...opened } = await openLog();
  await sql`update ${table("logs")} set key_format = 1`.execute(database.db);
  const old = createPostgresEventLog(database);
  const [one, two] = [slice({ id: uuidV7 }), slice({ id: "other" })];
  expect((await old.append(request(0n, [one, two]))).kind).toBe("appended");
  expect(await opened.keys()).toEqual([eventKey(one.source, one.id), eventKey(two.source, two.id)]);
  expect(await old.append(request(2n, [one]))).toEqual({ kind: "known", known: [{ index: 0, offset: 1n, sameContent: true }] });
  // As if it had been removed and made again elsewhere: this one still thinks of the new format.
  expect(await log.append(request(2n, [slice({ id: uuidV7.replace("ab", "ac") })]))).toMatchObject({ kind: "appended" });
  expect((await opened.keys()).at(-1)).toBe(eventKey("/test", uuidV7.replace("ab", "ac")));
  const { epoch } = request(0n, []);
  expect(await log.prune({ receiverId: 1n, epoch, beforeOffset: 3n, reason: "old", maxEvents: 10 })).toMatchObject({ oldestOffset: 3n });
  expect(await opened.keys()).toHaveLength(1);
  await opened.close();
});

test("W3: a log that a newer version made is not taken from it, nor stored to: its keys could not be told", async () => {
  const { database, log, table, request, ...opened } = await openLog();
  await sql`update ${table("logs")} set key_format = 4`.execute(database.db);
  const refusal = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("start a newer version") as unknown };
  const { epoch } = request(0n, []);
  // The first one knew its format, as it was.
  for (const each of [log, createPostgresEventLog(database)]) {
    await expect(each.claim(1n)).rejects.toMatchObject(refusal);
    await expect(each.append(request(0n, [slice()]))).rejects.toMatchObject(refusal);
    await expect(each.find(1n, "/s", "id")).rejects.toMatchObject(refusal);
  }
  expect(await log.status(1n)).toMatchObject({ epoch, headOffset: 0n });
  await opened.close();
});

test("W3: a log that was made anew by a newer version is not stored to by who knew the old one", async () => {
  const { database, log, table, request, ...opened } = await openLog();
  expect((await log.append(request(0n, [slice()]))).kind).toBe("appended");
  await sql`update ${table("logs")} set key_format = 4`.execute(database.db);
  await expect(log.append(request(1n, [slice()]))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  await opened.close();
});

test("W3: an event whose key is that of another one is never taken for its repeat", async () => {
  const { log, request, ...opened } = await openLog();
  const twin = sharingKey({ source: "/test", id: uuidV7 });
  const [first, second] = [slice({ id: uuidV7, text: "same" }), slice({ ...twin, text: "same" })];
  expect(await log.append(request(0n, [first, second]))).toMatchObject({ kind: "refused" });
  expect(await log.append(request(0n, [first]))).toMatchObject({ kind: "appended" });
  const result = await log.append(request(1n, [second]));
  expect(result).toEqual({ kind: "known", known: [{ index: 0, offset: 1n, sameContent: false }] });
  expect(await opened.keys()).toHaveLength(1);
  await opened.close();
});

test("W11: appends and reads of locked tables are STORE_UNAVAILABLE and do nothing; then they go on", async () => {
  const { database, log, table, request, ...opened } = await openLog();
  const [first, second] = [slice(), slice()];
  await log.append(request(0n, [first]));
  const { promise: locked, resolve: isLocked } = Promise.withResolvers<void>();
  const { promise: over, resolve: unlock } = Promise.withResolvers<void>();
  const holding = database.db.transaction().execute(async (transaction) => {
    await sql`lock table ${table("log_event_keys")}, ${table("log_segments")}`.execute(transaction);
    isLocked();
    await over;
  });
  await locked;
  const read = () => log.read({ receiverId: 1n, afterOffset: 0n, maxEvents: 10, maxBytes: 1_000 });
  const tried = await Promise.allSettled([log.append(request(1n, [second])), read()]);
  expect(tried.map((each) => (each.status === "rejected" ? (each.reason as WarrenError).code : each.value))).toEqual([
    "STORE_UNAVAILABLE",
    "STORE_UNAVAILABLE",
  ]);
  unlock();
  await holding;
  expect(await log.append(request(1n, [second]))).toMatchObject({ kind: "appended", segment: { firstOffset: 2n } });
  expect(await read()).toMatchObject({ kind: "segments", segments: [{ firstOffset: 1n }, { firstOffset: 2n }] });
  await opened.close();
});

test("W2: what became of an append of 500 events is asked in two statements, not in 500", async () => {
  const schema = schemaName(testNamespace(), "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
  await migrateEventLog(database);
  let statements = 0;
  const count = <T>(result: T): T => {
    statements += 1;
    return result;
  };
  const counted = database.db.withPlugin({
    transformQuery: ({ node }) => count(node),
    transformResult: ({ result }) => Promise.resolve(result),
  });
  const log = createPostgresEventLog({
    ...database,
    db: counted,
    prepared: (statement, values) => count(database.prepared(statement, values)),
    copyOut: (query, read, options) => count(database.copyOut(query, read, options)),
  });
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
