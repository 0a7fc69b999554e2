import { silentLogger } from "@warren/protocol";
import { freePorts, startFaultProxy } from "@warren/test-servers";
import { sql } from "kysely";
import { describe, expect, inject, test, vi } from "vitest";
import { openDatabase, schemaName, type Database } from "./database.ts";

const open = (url: string, maxConnections = 1) =>
  openDatabase<unknown>({ url, schema: "public", applicationName: "test", maxConnections, logger: silentLogger });

describe("a database", () => {
  test("answers a ping, and closes after it; closing twice is fine", async () => {
    const database = open(inject("databaseUrl"));
    await database.ping();
    await database.close();
    await database.close();
  });

  test("that is not reached is STORE_UNAVAILABLE", async () => {
    const [port] = await freePorts(1);
    const database = open(`postgres://u:p@127.0.0.1:${port}/x`);
    await expect(database.ping()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await database.close();
  });

  test("whose connection was ended by the server answers on a new one", async () => {
    const database = open(inject("databaseUrl"));
    const pid = async () => (await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(database.db)).rows[0]?.pid;
    const first = await pid();
    await expect(sql`select pg_terminate_backend(pg_backend_pid())`.execute(database.db)).rejects.toThrow();
    const second = await pid();
    expect(second).not.toBe(first);
    await database.close();
  });

  test("keeps a connection on which a statement failed by its own fault", async () => {
    const database = open(inject("databaseUrl"));
    const pid = async () => (await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(database.db)).rows[0]?.pid;
    const first = await pid();
    await expect(sql`select no_such_column`.execute(database.db)).rejects.toThrow();
    expect(await pid()).toBe(first);
    await database.close();
  });

  test("reads int8 as bigint, beyond 2^53", async () => {
    const database = open(inject("databaseUrl"));
    const { rows } = await sql`select 9007199254740993::int8 n`.execute(database.db);
    expect(rows).toEqual([{ n: 9_007_199_254_740_993n }]);
    await database.close();
  });
});

const pidOf = async (database: Database<unknown>): Promise<number> =>
  (await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(database.db)).rows[0]?.pid ?? 0;

/** Ends a connection from outside, and waits until the server has none of that number. */
async function terminate(pid: number): Promise<void> {
  const admin = open(inject("databaseUrl"));
  await sql`select pg_terminate_backend(${pid}::int)`.execute(admin.db);
  const gone = sql<{ left: number }>`select count(*)::int "left" from pg_stat_activity where pid = ${pid}::int`;
  await vi.waitFor(async () => expect((await gone.execute(admin.db)).rows[0]?.left).toBe(0));
  await admin.close();
}

/** Through a proxy that can keep answers to itself. */
async function openThrough(maxConnections: number) {
  const url = new URL(inject("databaseUrl"));
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5432) });
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  return { proxy, database: open(url.href, maxConnections) };
}

/** What pg does by default in these cases ends the process, waits for ever, or gives a connection back that still waits for an answer. */
describe.concurrent("a connection", () => {
  test("that is ended while it is idle is replaced, and the process goes on", async () => {
    const database = open(inject("databaseUrl"));
    const pid = await pidOf(database);
    await terminate(pid);
    await vi.waitFor(async () => expect(await pidOf(database)).not.toBe(pid));
    await database.close();
  });

  test("that is ended between two statements of its holder fails the next one, and the process goes on", async () => {
    const database = open(inject("databaseUrl"));
    await database.db.connection().execute(async (held) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(held);
      await terminate(rows[0]?.pid ?? 0);
      await expect(sql`select 1`.execute(held)).rejects.toThrow();
    });
    await database.ping();
    await database.close();
  });

  test("that is ended in a transaction rolls it back and is not given back", async () => {
    const database = open(inject("databaseUrl"));
    const pids: number[] = [];
    const broken = database.db.transaction().execute(async (transaction) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(transaction);
      pids.push(rows[0]?.pid ?? 0);
      await terminate(pids[0] ?? 0);
      await sql`select 1`.execute(transaction);
    });
    await expect(broken).rejects.toThrow();
    expect(await pidOf(database)).not.toBe(pids[0]);
    await database.close();
  });

  test("on which a query is not answered in time is destroyed, and its late answer reaches nobody", { timeout: 40_000 }, async () => {
    const { proxy, database } = await openThrough(1);
    const pid = await pidOf(database);
    proxy.swallowAnswers();
    await expect(sql`select 'late' answer`.execute(database.db)).rejects.toThrow("Query read timeout");
    proxy.resume();
    const { rows } = await sql`select 'own' answer`.execute(database.db);
    expect(rows).toEqual([{ answer: "own" }]);
    expect(await pidOf(database)).not.toBe(pid);
    await database.close();
    await proxy.close();
  });

  test("that is taken and not answered is given up, as STORE_UNAVAILABLE; so is a place in a pool that stays full", async () => {
    const { proxy, database } = await openThrough(1);
    proxy.blackhole();
    await expect(Promise.all([database.ping(), database.ping()])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    proxy.resume();
    await vi.waitFor(() => database.ping(), { timeout: 20_000 });
    await database.close();
    await proxy.close();
  });
});

test.each(["", "Upper", "1a", "a-b", "x".repeat(41)])("namespace %j is refused", (namespace) => {
  expect(() => schemaName(namespace, "broker")).toThrow("must be a lower-case letter");
});

test.each(["", "mysql://x", "postgres//x"])("URL %j is refused", (url) => {
  expect(() => open(url)).toThrow("must look like postgres://");
});
