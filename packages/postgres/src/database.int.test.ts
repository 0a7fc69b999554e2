import { silentLogger } from "@warren/protocol";
import { freePorts } from "@warren/testkit";
import { sql } from "kysely";
import { describe, expect, inject, test } from "vitest";
import { openDatabase, schemaName } from "./database.ts";

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

test.each(["", "Upper", "1a", "a-b", "x".repeat(41)])("namespace %j is refused", (namespace) => {
  expect(() => schemaName(namespace, "broker")).toThrow("must be a lower-case letter");
});

test.each(["", "mysql://x", "postgres//x"])("URL %j is refused", (url) => {
  expect(() => open(url)).toThrow("must look like postgres://");
});
