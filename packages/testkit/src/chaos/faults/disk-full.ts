import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync, rmdirSync, statSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { schemaName } from "@warren/postgres";
import { sql } from "kysely";
import type { Fault } from "../fault.ts";
import type { ChaosSystem } from "../system.ts";
import { persist } from "./persist.ts";

/** Room for the log of a run; what it leaves free is filled up. */
const sizeMb = 192;

/** Mounts that somebody has to undo, however this process ends. */
const mounted = new Set<string>();
process.once("exit", () => {
  for (const folder of mounted) unmount(folder);
});

function mount(folder: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMb}m`, "tmpfs", folder], { stdio: "ignore" });
  mounted.add(folder);
}

function unmount(folder: string): void {
  execFileSync("umount", ["-l", folder], { stdio: "ignore" });
  mounted.delete(folder);
  rmdirSync(folder);
}

/** Why small disks cannot be had here. */
function noDisk(): string | undefined {
  if (process.getuid?.() !== 0) return "it needs root, to mount a small disk";
  const folder = mkdtempSync(join(tmpdir(), "warren-disk-"));
  try {
    mount(folder);
    unmount(folder);
    return undefined;
  } catch {
    rmdirSync(folder);
    return "a small disk cannot be mounted";
  }
}

/** Where the segments of all logs are. */
async function moveSegments({ database, namespace }: ChaosSystem, tablespace: string): Promise<void> {
  const schema = schemaName(namespace, "broker");
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c join pg_inherits i on i.inhrelid = c.oid
    where i.inhparent = ${`${schema}.log_segments`}::regclass order by 1`.execute(database.db);
  for (const { name } of rows) {
    await sql`alter table ${sql.id(schema, name)} set tablespace ${sql.id(tablespace)}`.execute(database.db);
  }
}

/** The disk of the logs is full; the one of PostgreSQL's own files is not. */
export const diskFull: Fault = {
  kind: "disk-full",
  row: "F10",
  touches: ["postgres"],
  lastsMs: [2_000, 6_000],
  notHere: noDisk,
  async begin(system) {
    const { database } = system;
    const folder = mkdtempSync(join(tmpdir(), "warren-disk-"));
    mount(folder);
    const { rows } = await sql<{ path: string }>`select current_setting('data_directory') as path`.execute(database.db);
    const { uid, gid } = statSync(rows[0]?.path ?? "/");
    chownSync(folder, uid, gid);
    chmodSync(folder, 0o700);
    const ballast = join(folder, "ballast");
    const heal = async (): Promise<void> => {
      rmSync(ballast, { force: true });
      await persist(() => moveSegments(system, "pg_default"));
      await persist(() => sql`drop tablespace if exists chaos_disk`.execute(database.db));
      unmount(folder);
    };
    try {
      await sql`create tablespace chaos_disk location ${sql.lit(folder)}`.execute(database.db);
      await moveSegments(system, "chaos_disk");
      await fill(ballast);
    } catch (error) {
      await heal();
      throw error;
    }
    return { target: "the tablespace of the segments", end: heal };
  },
};

async function fill(file: string): Promise<void> {
  for (const size of [1_024 * 1_024, 4_096]) {
    const block = Buffer.alloc(size);
    try {
      for (;;) await appendFile(file, block);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  }
}
