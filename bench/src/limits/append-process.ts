import { Client } from "pg";
import { answer } from "../harness/child.ts";

/** Stores ready segments, each with a unique key of 128 bits for every event, in one statement that commits durably; one after the other. */

const insert = `with segment as (insert into limit_segments (events, bytes) values ($1, $2))
  insert into limit_keys select unnest($3::uuid[])`;
const uuidType = 2950;

answer({
  async create({ url }: { readonly url: string }) {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query("drop table if exists limit_segments, limit_keys");
    await client.query("create table limit_segments (n bigint generated always as identity primary key, events int, bytes bytea)");
    await client.query("alter table limit_segments alter column bytes set storage external");
    await client.query("create table limit_keys (key uuid primary key)");
    await client.end();
  },
  /** Resolves with how many events were stored, and in how many seconds. */
  async append({
    url,
    events,
    body,
    seconds,
  }: {
    readonly url: string;
    readonly events: number;
    readonly body: Uint8Array;
    readonly seconds: number;
  }) {
    const client = new Client({ connectionString: url });
    await client.connect();
    const began = performance.now();
    let stored = 0;
    for (; performance.now() - began < seconds * 1000; stored += events) {
      const values = [events, Buffer.from(body), uuids(stored, events)];
      await client.query({ name: "append", text: insert, values });
    }
    // Not closed: with its connection PostgreSQL would end the process whose CPU is read now.
    return { stored, seconds: (performance.now() - began) / 1000 };
  },
});

/** An array of UUIDs in PostgreSQL's binary form, that rise as those of version 7 do. */
function uuids(from: number, count: number): Buffer {
  const header = 20;
  const array = Buffer.alloc(header + count * 20);
  for (const [index, value] of [1, 0, uuidType, count, 1].entries()) array.writeInt32BE(value, index * 4);
  for (let i = 0; i < count; i += 1) {
    const at = header + i * 20;
    array.writeInt32BE(16, at);
    array.writeUIntBE(from + i, at + 4, 6);
    array.writeUInt32BE((Math.random() * 2 ** 32) >>> 0, at + 12);
    array.writeUInt32BE((Math.random() * 2 ** 32) >>> 0, at + 16);
  }
  return array;
}
