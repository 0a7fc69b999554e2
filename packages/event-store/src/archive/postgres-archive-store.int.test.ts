import { create, toBinary } from "@bufbuild/protobuf";
import { migrate, openDatabase, schemaName } from "@warren/postgres";
import { isWarrenError, silentLogger, walkEvent, type EventSlice } from "@warren/protocol";
import { EventSchema, PackSchema, type Event } from "@warren/protocol/v1";
import { startFaultProxy, testNamespace } from "@warren/test-servers";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { sharingKey } from "../contract/events.ts";
import { eventKey } from "../event-key.ts";
import { init } from "./migrations.ts";
import { createPostgresArchiveStore, migrateArchive } from "./postgres-archive-store.ts";
import type { ArchiveStore } from "./archive-store.ts";

const everything = { patterns: [] };

function slice(event: Partial<Event> & { readonly id: string }, walks = true): EventSlice {
  const { $typeName: _, ...fields } = event;
  const full = create(EventSchema, { source: "/s", type: "a.b", body: { case: "text", value: "x" }, ...fields });
  const bytes = toBinary(PackSchema, create(PackSchema, { events: [full] }));
  if (walks) expect(walkEvent(toBinary(EventSchema, full)).kind).toBe("event");
  return { bytes, id: full.id, source: full.source, type: full.type, deduplicated: true };
}

/** A schema of its own, without tables. */
function openArchive() {
  const schema = schemaName(testNamespace(), "archive");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "archive test", logger: silentLogger });
  async function drop(): Promise<void> {
    await sql`drop schema ${sql.id(schema)} cascade`.execute(database.db);
    await database.close();
  }
  return { database, schema, drop };
}

describe("the archive on PostgreSQL", () => {
  let store: ArchiveStore;
  const { database, schema, drop: dropAll } = openArchive();
  beforeAll(async () => {
    await Promise.all([migrateArchive(database), migrateArchive(database)]);
    store = createPostgresArchiveStore(database);
  });
  afterAll(dropAll);

  test("stores every event once, with dense positions, and gives it back as it was", async () => {
    const odd = slice({
      id: "a\u241B\u2400b",
      type: "weird type ..é",
      subject: "é",
      time: { $typeName: "google.protobuf.Timestamp", seconds: 1_700_000_000n, nanos: 5_000_000 },
      partitionKey: "k",
      dataContentType: "application/json",
      extensions: { "k ": 'v"\\' },
      body: { case: "data", value: Uint8Array.of(0, 255) },
    });
    const none = slice({ id: "none", body: { case: undefined } });
    expect(await store.append([odd, slice({ id: "1" }), none], [])).toEqual({ kind: "stored", stored: 3, repeats: 0, conflicts: 0 });
    const events = await store.read(everything, 0n, 10);
    expect(events.map(({ position }) => position)).toEqual([1n, 2n, 3n]);
    expect(toBinary(PackSchema, create(PackSchema, { events: [events[0]?.event ?? create(EventSchema)] })).length).toBe(odd.bytes.length);
    expect(events[0]?.event).toMatchObject({ id: odd.id, type: odd.type, extensions: { "k ": 'v"\\' }, body: { case: "data" } });
    expect(events[2]?.event.body.case).toBeUndefined();
    expect(await store.get("/s", odd.id)).toEqual(events[0]);
    expect(await store.get("/s", "nothing")).toBeUndefined();
    expect(await store.head()).toBe(3n);
  });

  test("W3: drops repeats, sets another event with a known id aside, and may be repeated as a whole", async () => {
    const before = await store.head();
    const [a, b] = [slice({ id: "r1" }), slice({ id: "r2" })];
    await store.append([a], []);
    const other = slice({ id: "r1", body: { case: "text", value: "another" } });
    const bad = { reason: "malformed" as const, detail: "cut off", bytes: Uint8Array.of(1) };
    expect(await store.append([a, b, b, other], [bad])).toEqual({ kind: "stored", stored: 1, repeats: 2, conflicts: 1 });
    expect(await store.append([a, b, b, other], [bad])).toEqual({ kind: "stored", stored: 0, repeats: 3, conflicts: 1 });
    expect(await store.head()).toBe(before + 2n);
    const { rows } = await sql`select reason from ${sql.id(schema, "quarantine")} order by reason`.execute(database.db);
    expect(rows).toEqual([{ reason: "id_conflict" }, { reason: "malformed" }]);
  });

  test("W3: of two events that have the same key by chance the second is set aside, in one append and in two", async () => {
    const id = "0199f3a1-7c00-7abc-9def-0123456789ab";
    const [one, two] = [slice({ id }), slice(sharingKey({ source: "/s", id }))];
    expect(await store.append([one, two], [])).toEqual({ kind: "stored", stored: 1, repeats: 0, conflicts: 1 });
    expect(await store.append([two], [])).toEqual({ kind: "stored", stored: 0, repeats: 0, conflicts: 1 });
    expect(await store.append([one], [])).toEqual({ kind: "stored", stored: 0, repeats: 1, conflicts: 0 });
    expect((await store.get("/s", one.id))?.event.id).toBe(one.id);
  });

  test("W3: an append whose answer is lost is repeated as a whole, and stored once", async () => {
    const url = new URL(inject("databaseUrl"));
    const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5432) });
    url.host = `127.0.0.1:${proxy.port}`;
    const far = openDatabase<unknown>({ url: url.href, schema, applicationName: "archive test", logger: silentLogger });
    const archive = createPostgresArchiveStore(far);
    const before = await archive.head();
    const events = [slice({ id: "lost1" }), slice({ id: "lost2" })];
    await archive.append([slice({ id: "lost0" })], []);
    proxy.swallowAnswers();
    const lost = archive.append(events, []);
    lost.catch(() => undefined);
    await vi.waitFor(async () => expect(await store.head()).toBe(before + 3n));
    proxy.resume();
    proxy.reset();
    await expect(lost).rejects.toSatisfy((error) => isWarrenError(error, "STORE_UNAVAILABLE"));
    expect(await archive.append([...events, slice({ id: "lost3" })], [])).toEqual({ kind: "stored", stored: 1, repeats: 2, conflicts: 0 });
    expect(await store.head()).toBe(before + 4n);
    await far.close();
    await proxy.close();
  });

  test("W3: an archive that holds keys of the first format goes on with it", async () => {
    const { database: held, schema: older, drop } = openArchive();
    await migrate(held, "archive", { "0001_init": init(older) });
    const event = slice({ id: "0199f3a1-7c00-7abc-9def-0123456789ab" });
    const key = eventKey(event.source, event.id);
    await sql`update ${sql.id(older, "archive_head")} set head_position = 1`.execute(held.db);
    await sql`insert into ${sql.id(older, "archived_event_keys")} values (${key}::uuid, 1)`.execute(held.db);
    await sql`insert into ${sql.id(older, "archived_events")}
      values (1, ${key}::uuid, ${event.id}, '/s', 'a.b', '', null, now(), '', '', '', '{}', 2, 'x')`.execute(held.db);
    await migrateArchive(held);
    const archive = createPostgresArchiveStore(held);
    expect(await archive.append([event, slice({ id: "new" })], [])).toEqual({ kind: "stored", stored: 1, repeats: 1, conflicts: 0 });
    expect((await archive.get("/s", event.id))?.position).toBe(1n);
    expect((await archive.get("/s", "new"))?.position).toBe(2n);
    await drop();
  });

  test("W3: what a newer version began is not stored to: its keys could not be told", async () => {
    const { database: held, schema: newer, drop } = openArchive();
    await migrateArchive(held);
    await sql`update ${sql.id(newer, "archive_head")} set key_format = 4`.execute(held.db);
    const archive = createPostgresArchiveStore(held);
    const refusal = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("start a newer version") as unknown };
    await expect(archive.append([slice({ id: "new" })], [])).rejects.toMatchObject(refusal);
    await expect(archive.get("/s", "new")).rejects.toMatchObject(refusal);
    expect(await archive.head()).toBe(0n);
    await drop();
  });

  test("W12: a time that PostgreSQL does not know is refused, not an error that is tried for ever", async () => {
    const far = slice({ id: "far", time: { $typeName: "google.protobuf.Timestamp", seconds: 2n ** 62n, nanos: 0 } }, false);
    expect(await store.append([far], [])).toMatchObject({ kind: "refused", detail: expect.stringContaining("22008") as string });
  });

  test("of writers at once each event is stored once, and positions stay dense", async () => {
    const before = await store.head();
    const events = Array.from({ length: 20 }, (_, i) => slice({ id: `w${i}`, type: "writers.x" }));
    await Promise.all([store.append(events, []), store.append(events.toReversed(), []), store.append(events.slice(5), [])]);
    expect(await store.head()).toBe(before + 20n);
    const read = await store.read({ patterns: ["writers.*"] }, 0n, 100);
    expect(read.map(({ position }) => position)).toEqual(Array.from({ length: 20 }, (_, i) => before + BigInt(i + 1)));
  });

  test("filters by patterns, source and time", async () => {
    await store.append(
      ["f.a", "f.a.b", "f", "g.a"].map((type, i) => slice({ id: `f${i}`, type, source: i % 2 === 0 ? "/even" : "/odd" })),
      [],
    );
    const types = async (filter: object): Promise<string[]> =>
      (await store.read({ patterns: [], ...filter }, 0n, 100)).map(({ event }) => event.type);
    expect(await types({ patterns: ["f.#"] })).toEqual(["f.a", "f.a.b", "f"]);
    expect(await types({ patterns: ["f.*", "g.*"] })).toEqual(["f.a", "g.a"]);
    expect(await types({ patterns: ["f.#"], source: "/odd" })).toEqual(["f.a.b"]);
    expect(await types({ toTime: 1_000 })).toEqual([]);
    expect(await store.count({ patterns: ["f.#"], fromTime: Date.now() - 60_000 })).toBe(3n);
  });

  test("W12: says that a value is refused, and writes nothing of that append", async () => {
    await sql`alter table ${sql.id(schema, "archived_events")} add check (subject <> 'poison')`.execute(database.db);
    const before = await store.head();
    const refused = await store.append([slice({ id: "p1" }), slice({ id: "p2", subject: "poison" })], []);
    expect(refused).toMatchObject({ kind: "refused", detail: expect.stringContaining("23514") as string });
    expect(await store.head()).toBe(before);
    expect(await store.append([slice({ id: "p1" })], [])).toMatchObject({ kind: "stored", stored: 1 });
  });
});
