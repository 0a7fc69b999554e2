import { freePorts } from "@warren/test-servers";
import { sql } from "kysely";
import { describe, expect, inject, test } from "vitest";
import { binaryArray, fixedArray } from "./binary.ts";
import { schemaName } from "./database.ts";
import { openPool, pidOf, texts } from "./testing/connections.ts";

describe("a database", () => {
  test("answers a ping, and closes after it; closing twice is fine", async () => {
    const database = openPool(inject("databaseUrl"));
    await database.ping();
    await database.close();
    await database.close();
  });

  test("that is not reached is STORE_UNAVAILABLE", async () => {
    const [port] = await freePorts(1);
    const database = openPool(`postgres://u:p@127.0.0.1:${port}/x`);
    await expect(database.ping()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await database.close();
  });

  test("whose connection was ended by the server answers on a new one", async () => {
    const database = openPool(inject("databaseUrl"));
    const first = await pidOf(database);
    await expect(sql`select pg_terminate_backend(pg_backend_pid())`.execute(database.db)).rejects.toThrow();
    const second = await pidOf(database);
    expect(second).not.toBe(first);
    await database.close();
  });

  test("keeps a connection on which a statement failed by its own fault", async () => {
    const database = openPool(inject("databaseUrl"));
    const first = await pidOf(database);
    await expect(sql`select no_such_column`.execute(database.db)).rejects.toThrow();
    expect(await pidOf(database)).toBe(first);
    await database.close();
  });

  test("reads int8 as bigint, beyond 2^53", async () => {
    const database = openPool(inject("databaseUrl"));
    const { rows } = await sql`select 9007199254740993::int8 n`.execute(database.db);
    expect(rows).toEqual([{ n: 9_007_199_254_740_993n }]);
    await database.close();
  });
});

describe("a prepared statement", () => {
  test("takes binary arrays, is planned once by a connection, and goes on after its own errors", async () => {
    const database = openPool(inject("databaseUrl"));
    const statement = { name: "keys", text: "select array_length($1::uuid[], 1) as n, ($1::uuid[])[1]::text as first, 1 / $2::int as one" };
    const keys = (size: number) => fixedArray("uuid", { size, bytes: 16 }, (target, at, index) => target.fill(index + 1, at, at + 16));
    const first = "01010101-0101-0101-0101-010101010101";
    expect(await database.prepared(statement, [keys(2), 1])).toEqual([{ n: 2, first, one: 1 }]);
    await expect(database.prepared(statement, [keys(2), 0])).rejects.toMatchObject({ code: "22012" });
    expect(await database.prepared(statement, [keys(0), 1])).toEqual([{ n: null, first: null, one: 1 }]);
    const { rows } = await sql<{ name: string }>`select name from pg_prepared_statements`.execute(database.db);
    expect(rows).toEqual([{ name: "keys" }]);
    await database.close();
  });

  test("gives its rows also where its first run failed, none where it has none, and what a column is called", async () => {
    const database = openPool(inject("databaseUrl"));
    const divide = { name: "divide", text: "select n, 6 / n as result, null::int as nothing from unnest($1::int8[]) as n order by n" };
    await expect(database.prepared(divide, ["{0}"])).rejects.toMatchObject({ code: "22012" });
    const expected = [
      { n: 1n, result: 6n, nothing: null },
      { n: 2n, result: 3n, nothing: null },
    ];
    for (let run = 0; run < 2; run += 1) expect(await database.prepared(divide, ["{2,1}"])).toEqual(expected);
    expect(await database.prepared(divide, ["{}"])).toEqual([]);
    const remove = { name: "remove", text: "with quiet as (select $1::text) delete from pg_temp.nowhere where false" };
    await sql`create temp table nowhere ()`.execute(database.db);
    for (let run = 0; run < 2; run += 1) expect(await database.prepared(remove, ["x"])).toEqual([]);
    await database.close();
  });

  test("is refused when another one has its name, and spares those that come after", async () => {
    const database = openPool(inject("databaseUrl"));
    const statement = { name: "one", text: "select 1 as n" };
    expect(await database.prepared(statement, [])).toEqual([{ n: 1 }]);
    await expect(database.prepared({ ...statement, text: "select 2 as n" }, [])).rejects.toThrow('another statement is named "one"');
    expect(await database.prepared(statement, [])).toEqual([{ n: 1 }]);
    await database.close();
  });
});

test("binary arrays hold bytes, text, numbers, times and NULL", async () => {
  const database = openPool(inject("databaseUrl"));
  const text = `select $1::bytea[] as bytes, $2::text[] as texts, $3::int2[] as numbers, $4::json[] as json, $5::timestamptz[] as times`;
  const statement = { name: "arrays", text };
  const time = Buffer.alloc(8);
  time.writeBigInt64BE(86_400_000_000n);
  const values = [
    binaryArray("bytea", [Buffer.of(0, 255), null, Buffer.alloc(0)]),
    binaryArray("text", [Buffer.from('é\\"'), Buffer.alloc(0)]),
    binaryArray("int2", [Buffer.of(255, 255), Buffer.of(1, 0)]),
    binaryArray("json", [Buffer.from('{"a":"b"}')]),
    binaryArray("timestamptz", [time, null]),
  ];
  expect(await database.prepared(statement, values)).toEqual([
    {
      bytes: [Buffer.of(0, 255), null, Buffer.alloc(0)],
      texts: ['é\\"', ""],
      numbers: [-1, 256],
      json: [{ a: "b" }],
      times: [new Date("2000-01-02T00:00:00Z"), null],
    },
  ]);
  await database.close();
});

describe("COPY", () => {
  test("gives fields as their bytes, NULL and empty apart, also those of large rows and of none", async () => {
    const database = openPool(inject("databaseUrl"));
    expect(await database.copyOut("select 1::int, null, ''::bytea, 'a'::text union all select 2, '', '\\xff00', 'é'", texts)).toEqual([
      ["00000001", null, "", "61"],
      ["00000002", "", "ff00", "c3a9"],
    ]);
    expect(await database.copyOut("select 1 where false", texts)).toEqual([]);
    const large = await database.copyOut(
      "select decode(repeat('ab', 300000), 'hex') from generate_series(1, 5)",
      ([bytes]) => bytes?.length,
    );
    expect(large).toEqual([300_000, 300_000, 300_000, 300_000, 300_000]);
    await database.close();
  });

  test.each([
    ["before its rows", "select no_such_column"],
    ["between its rows", "select 1 / (1000 - n) from generate_series(1, 2000) n"],
  ])("that fails %s rejects, and its connection goes on", async (_, query) => {
    const database = openPool(inject("databaseUrl"));
    const pid = await pidOf(database);
    await expect(database.copyOut(query, texts)).rejects.toMatchObject({ code: expect.any(String) as string });
    expect(await pidOf(database)).toBe(pid);
    expect(await database.copyOut("select 1::int", texts)).toEqual([["00000001"]]);
    await database.close();
  });

  test("whose rows cannot be read rejects with why, and the next one is read", async () => {
    const database = openPool(inject("databaseUrl"));
    const bad = new Error("bad row");
    const read = (): never => {
      throw bad;
    };
    await expect(database.copyOut("select n from generate_series(1, 100000) n", read)).rejects.toBe(bad);
    expect(await database.copyOut("select 1::int", texts)).toEqual([["00000001"]]);
    await database.close();
  });

  test("that is aborted rejects at once, and its connection goes back when the server has said all", async () => {
    const database = openPool(inject("databaseUrl"));
    const pid = await pidOf(database);
    const stop = new AbortController();
    const reason = new Error("stop");
    const began = Promise.withResolvers<void>();
    const rows: string[] = [];
    const query = "select n::text, repeat('x', 9000) from generate_series(1, 3) n, lateral (select pg_sleep(0.05 * n)) s";
    const copying = database.copyOut(query, ([n]) => (began.resolve(), rows.push(String(n))), { signal: stop.signal });
    await began.promise;
    stop.abort(reason);
    await expect(copying).rejects.toBe(reason);
    expect(rows.length).toBeLessThan(3);
    expect(await pidOf(database)).toBe(pid);
    expect(rows).toEqual(["1", "2", "3"]);
    await expect(database.copyOut("select 1", texts, { signal: stop.signal })).rejects.toBe(reason);
    await database.close();
  });
});

test.each(["", "Upper", "1a", "a-b", "x".repeat(41)])("namespace %j is refused", (namespace) => {
  expect(() => schemaName(namespace, "broker")).toThrow("must be a lower-case letter");
});

test.each(["", "mysql://x", "postgres//x"])("URL %j is refused", (url) => {
  expect(() => openPool(url)).toThrow("must look like postgres://");
});
