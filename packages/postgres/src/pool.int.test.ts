import { readFile } from "node:fs/promises";
import { silentLogger, type Logger } from "@warren/protocol";
import { startFaultProxy, testNamespace } from "@warren/test-servers";
import { sql } from "kysely";
import { describe, expect, inject, test, vi } from "vitest";
import { outcomeIsUnknown } from "./database-errors.ts";
import { ConnectionPool } from "./pool.ts";
import { openPool, pidOf, texts } from "./testing/connections.ts";

/** Ends a connection from outside, and waits until the server has none of that number. */
async function terminate(pid: number): Promise<void> {
  const admin = openPool(inject("databaseUrl"));
  await sql`select pg_terminate_backend(${pid}::int)`.execute(admin.db);
  const gone = sql<{ left: number }>`select count(*)::int "left" from pg_stat_activity where pid = ${pid}::int`;
  await vi.waitFor(async () => expect((await gone.execute(admin.db)).rows[0]?.left).toBe(0));
  await admin.close();
}

describe("a pool", () => {
  test("wraps a connection once, however often it is lent, and takes it back once", async () => {
    const options = { url: inject("databaseUrl"), schema: "public", applicationName: "test", maxConnections: 1, logger: silentLogger };
    const pool = new ConnectionPool(options);
    const lend = async () => {
      const client = await pool.connect();
      client.release();
      expect(() => client.release()).toThrow("given back twice");
      return Object.getOwnPropertyDescriptor(client, "query")?.value as unknown;
    };
    const first = await lend();
    expect(first).toBeInstanceOf(Function);
    expect(await lend()).toBe(first);
    expect(await lend()).toBe(first);
    await pool.end();
  });

  test("lends the connection that was used last, so that one does the work of one", async () => {
    const database = openPool(inject("databaseUrl"), 2);
    const pid = async (seconds: number) =>
      (await sql<{ pid: number }>`select pg_backend_pid() pid, pg_sleep(${seconds}::float8)`.execute(database.db)).rows[0]?.pid;
    const [early, late] = await Promise.all([pid(0), pid(0.2)]);
    expect(early).not.toBe(late);
    for (let n = 0; n < 5; n += 1) expect(await pid(0)).toBe(late);
    await database.close();
  });

  test("closes when what is under way is done", async () => {
    const database = openPool(inject("databaseUrl"));
    await Promise.all([database.ping(), database.ping()]);
    const slow = sql<{ done: number }>`select 1 done, pg_sleep(0.2)`.execute(database.db);
    await database.close();
    expect((await slow).rows[0]?.done).toBe(1);
  });

  test.skipIf(process.platform !== "linux")("has its server keep the memory of one large value for the next", async ({ skip }) => {
    const database = openPool(inject("databaseUrl"));
    const pid = await pidOf(database);
    // Minor page faults, the tenth number; the name may have spaces.
    const faults = async () => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      return stat.includes("(postgres)")
        ? Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[7])
        : skip("the server is not on this machine");
    };
    const [statements, value] = [50, Buffer.alloc(512 * 1024)];
    const store = () =>
      database.prepared({ name: "large", text: "select octet_length($1::bytea || $2::bytea || $3::bytea)" }, [value, value, value]);
    // Its cache, and what it keeps from here on.
    for (let i = 0; i < 5; i += 1) await store();
    const before = await faults();
    for (let i = 0; i < statements; i += 1) await store();
    // Given back and taken again, one value is 128 pages.
    expect(((await faults()) - before) / statements).toBeLessThan(20);
    await database.close();
  });

  test("whose new connection refuses what it is first told lends it all the same, and says so", async () => {
    const { url, admin, drop } = await withFirstStatement("raise exception 'not now'");
    const debug = vi.fn<Logger["debug"]>();
    const database = openPool(url.href, 1, { ...silentLogger, debug });
    expect(await pidOf(database)).toBeGreaterThan(0);
    const error = expect.stringContaining("not now") as string;
    expect(debug).toHaveBeenCalledWith("database connection does not keep its memory", { error });
    await drop();
    await Promise.all([database.close(), admin.close()]);
  });

  test("whose new connection ends by what it is first told tells why, and keeps its place", async () => {
    const { url, admin, drop } = await withFirstStatement("perform pg_terminate_backend(pg_backend_pid())");
    const database = openPool(url.href);
    await expect(pidOf(database)).rejects.toThrow("terminating connection due to administrator command");
    await drop();
    expect(await pidOf(database)).toBeGreaterThan(0);
    await Promise.all([database.close(), admin.close()]);
  });

  test("whose new connection is cut off while it is told tells why, keeps its place, and the process goes on", async () => {
    const { url, admin, drop } = await withFirstStatement("perform pg_sleep(5)");
    const { proxy, database } = await openThrough(1, url);
    const answer = expect(pidOf(database)).rejects.toThrow("ECONNRESET");
    const sleeping = sql<{
      n: number;
    }>`select count(*)::int n from pg_stat_activity where wait_event = 'PgSleep' and query like 'select octet_length(repeat(%'`;
    await vi.waitFor(async () => expect((await sleeping.execute(admin.db)).rows[0]?.n).toBe(1), { timeout: 10_000 });
    proxy.reset();
    await answer;
    await drop();
    expect(await pidOf(database)).toBeGreaterThan(0);
    await Promise.all([database.close(), admin.close(), proxy.close()]);
  });
});

/** Through a proxy that can keep answers to itself. */
async function openThrough(maxConnections: number, url = new URL(inject("databaseUrl"))) {
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5432) });
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  return { proxy, database: openPool(url.href, maxConnections) };
}

/** For connections whose server does this at the first statement that it is told, until it is dropped. */
async function withFirstStatement(body: string) {
  const admin = openPool(inject("databaseUrl"));
  const name = testNamespace();
  const schema = sql.id(name);
  await sql`create schema ${schema}`.execute(admin.db);
  const text = sql.lit(`begin ${body}; return ''; end`);
  await sql`create function ${schema}.repeat(text, int) returns text language plpgsql as ${text}`.execute(admin.db);
  const url = new URL(inject("databaseUrl"));
  // Found before that of PostgreSQL.
  url.searchParams.set("options", `-c search_path=${name},pg_catalog`);
  return { url, admin, drop: () => sql`drop schema ${schema} cascade`.execute(admin.db) };
}

/** What pg does by default in these cases ends the process, waits for ever, or gives a connection back that still waits for an answer. */
describe.concurrent("a connection", () => {
  test("that is ended while it is idle is replaced before anybody has it, and the process goes on", async () => {
    const debug = vi.fn<Logger["debug"]>();
    const database = openPool(inject("databaseUrl"), 1, { ...silentLogger, debug });
    const pid = await pidOf(database);
    await terminate(pid);
    await vi.waitFor(() => expect(debug).toHaveBeenCalledWith("database connection lost", expect.anything()), { timeout: 10_000 });
    expect(await pidOf(database)).not.toBe(pid);
    await database.close();
  });

  test("that is ended between two statements of its holder fails the next one, and the process goes on", async () => {
    const database = openPool(inject("databaseUrl"));
    await database.db.connection().execute(async (held) => {
      await terminate(await pidOf({ db: held }));
      await expect(sql`select 1`.execute(held)).rejects.toThrow();
    });
    await database.ping();
    await database.close();
  });

  test("that is ended in a transaction rolls it back and is not given back", async () => {
    const database = openPool(inject("databaseUrl"));
    const pids: number[] = [];
    const broken = database.db.transaction().execute(async (transaction) => {
      pids.push(await pidOf({ db: transaction }));
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
    await expect(sql`select 'late' answer`.execute(database.db)).rejects.toThrow("Connection terminated");
    proxy.resume();
    const { rows } = await sql`select 'own' answer`.execute(database.db);
    expect(rows).toEqual([{ answer: "own" }]);
    expect(await pidOf(database)).not.toBe(pid);
    await database.close();
    await proxy.close();
  });

  test("on which a COPY is not answered in time is destroyed, and its late rows reach nobody", { timeout: 40_000 }, async () => {
    const { proxy, database } = await openThrough(1);
    const pid = await pidOf(database);
    proxy.swallowAnswers();
    await expect(database.copyOut("select 'late'", texts)).rejects.toThrow("Connection terminated");
    proxy.resume();
    expect(await database.copyOut("select 'own'", ([text]) => String(text))).toEqual(["own"]);
    expect(await pidOf(database)).not.toBe(pid);
    await database.close();
    await proxy.close();
  });

  test(
    "on which a prepared statement is not answered in time is destroyed, and its late rows reach nobody",
    { timeout: 40_000 },
    async () => {
      const { proxy, database } = await openThrough(1);
      const pid = await pidOf(database);
      const statement = { name: "answer", text: "select $1::int as answer" };
      proxy.swallowAnswers();
      const failed = database.prepared(statement, [1]);
      await expect(failed).rejects.toThrow("Connection terminated");
      expect(outcomeIsUnknown(await failed.catch((error: unknown) => error))).toBe(true);
      proxy.resume();
      expect(await database.prepared(statement, [2])).toEqual([{ answer: 2 }]);
      expect(await pidOf(database)).not.toBe(pid);
      await database.close();
      await proxy.close();
    },
  );

  test("that is cut between the rows of a COPY fails it, and the next one has a new one", async () => {
    const { proxy, database } = await openThrough(1);
    const pid = await pidOf(database);
    const began = Promise.withResolvers<void>();
    const query = "select n, repeat('x', 9000) from generate_series(1, 50) n, lateral (select pg_sleep(0.02 * n)) s";
    const copying = database.copyOut(query, () => began.resolve());
    copying.catch(() => undefined);
    await began.promise;
    proxy.reset();
    await expect(copying).rejects.toThrow();
    expect(await database.copyOut("select 1::int", texts)).toEqual([["00000001"]]);
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
