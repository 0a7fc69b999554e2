import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** What both kinds of PostgreSQL can do. */
export interface PostgresServer {
  initialise(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  createDatabase(name: string): Promise<void>;
}

/** Names the folder of PostgreSQL's programs, when the installed one is wanted: unlike the embedded one it knows lz4. */
export const postgresBinVariable = "WARREN_TEST_POSTGRES_BIN";

/** Folder of the programs of Debian's newest PostgreSQL; undefined when none is installed. */
export function installedPostgresBin(): string | undefined {
  const folder = "/usr/lib/postgresql";
  const versions = existsSync(folder) ? readdirSync(folder) : [];
  return versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => join(folder, version, "bin"))
    .find((bin) => existsSync(join(bin, "initdb")));
}

interface InstalledPostgresOptions {
  readonly databaseDir: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly log: (line: unknown) => void;
}

/** A PostgreSQL from programs that are installed. As root it runs as the user `postgres`. Who is at 127.0.0.1 may do everything in it. */
export class InstalledPostgres implements PostgresServer {
  readonly #bin: string;
  readonly #options: InstalledPostgresOptions;
  #server: ChildProcess | undefined;

  constructor(bin: string, options: InstalledPostgresOptions) {
    this.#bin = bin;
    this.#options = options;
  }

  async initialise(): Promise<void> {
    const { databaseDir } = this.#options;
    mkdirSync(databaseDir, { recursive: true });
    const user = userOf();
    if (user !== undefined) chownSync(databaseDir, user.uid, user.gid);
    this.#run("initdb", ["-D", databaseDir, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
  }

  async start(): Promise<void> {
    const { databaseDir, port, flags, log } = this.#options;
    const args = ["-D", databaseDir, "-p", String(port), ...flags];
    const server = spawn(join(this.#bin, "postgres"), args, { ...userOf(), stdio: ["ignore", "ignore", "pipe"] });
    server.stderr.on("data", log);
    this.#server = server;
    for (const end = performance.now() + 30_000; !this.#answers();) {
      if (server.exitCode !== null || performance.now() > end) throw new Error("the server does not answer");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Sessions are ended, what is under way is undone. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
    server.kill("SIGINT");
    await ended;
  }

  async createDatabase(name: string): Promise<void> {
    this.#run("createdb", ["-h", "127.0.0.1", "-p", String(this.#options.port), "-U", "postgres", name]);
  }

  #answers(): boolean {
    return spawnSync(join(this.#bin, "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(this.#options.port)]).status === 0;
  }

  #run(program: string, args: readonly string[]): void {
    const { status, stderr } = spawnSync(join(this.#bin, program), args, { ...userOf(), encoding: "utf8" });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
  }
}

/** PostgreSQL refuses to run as root. */
function userOf(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
  return { uid: id("-u"), gid: id("-g") };
}
