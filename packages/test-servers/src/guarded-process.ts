import { spawn } from "node:child_process";

/** A server process that never outlives us. */
export interface GuardedProcess {
  /** Resolves with what it printed when it ended. */
  readonly ended: Promise<string>;
  /** What it has printed so far. */
  output(): string;
  /** Ends it, and waits until it and its folder are gone. Twice is fine. */
  stop(): Promise<void>;
}

/** How a process is guarded. */
export interface GuardOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Removed at the end. Without it nothing is removed: the process is to be started again on its data. */
  readonly folder?: string;
  /** Shell commands to be run when the process has ended. */
  readonly cleanUp?: string;
  /** The guard's own process id is written to it, for a guard of the folder to wait for. */
  readonly guardFile?: string;
}

/**
 * Runs a server under a shell that holds a pipe to us: when we end in whatever way, also by SIGKILL, the pipe closes, and the shell ends the server (also one that
 * was stopped by SIGSTOP), runs `cleanUp` and removes `folder`. Then `stop` is only closing the pipe.
 */
export function startGuarded(command: readonly string[], options: GuardOptions): GuardedProcess {
  const { folder, cleanUp = "true", guardFile } = options;
  // The shell itself waits for the server: without that a killed one would stay a zombie, and seem to run. It must not write to us: we may be gone.
  const script = `${guardFile === undefined ? "" : `echo $$ >"${guardFile}"; `}exec 3<&0; "$@" </dev/null 3<&- & P=$!; exec >/dev/null 2>&1
    (read _ <&3; kill -TERM $P; kill -CONT $P; I=0; while kill -0 $P && [ $I -lt 100 ]; do sleep 0.1; I=$((I+1)); done; kill -KILL $P) & R=$!
    trap 'kill -TERM $P' TERM; while kill -0 $P; do wait $P; done
    kill $R; ${cleanUp}${folder === undefined ? "" : `; rm -rf "${folder}"`}`;
  const child = spawn("sh", ["-c", script, "sh", ...command], { env: options.env, stdio: ["pipe", "pipe", "pipe"], detached: true });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (printed = (printed + data.toString()).slice(-8_000)));
  const ended = new Promise<string>((resolve) => child.once("exit", () => resolve(printed)));
  // Pipes are sockets. They must not keep us alive, until we wait for the end.
  const pipes = [child.stdin, child.stdout, child.stderr] as unknown as readonly { ref(): void; unref(): void }[];
  for (const pipe of pipes) pipe.unref();
  child.unref();
  child.stdin.on("error", () => undefined);
  return {
    ended,
    output: () => printed,
    async stop() {
      child.ref();
      for (const pipe of pipes) pipe.ref();
      child.stdin.end();
      await ended;
    },
  };
}

/** Guards a folder whose server is started and killed many times: at our end it waits for the server's own guard, then runs `cleanUp` and removes the folder. */
export function guardFolder(folder: string, options: { readonly guardFile: string; readonly cleanUp?: string }): GuardedProcess {
  const wait = `G=$(cat "${options.guardFile}" 2>/dev/null); I=0
    while [ -n "$G" ] && kill -0 $G 2>/dev/null && [ $I -lt 200 ]; do sleep 0.1; I=$((I+1)); done`;
  return startGuarded(["tail", "-f", "/dev/null"], { env: process.env, folder, cleanUp: `${wait}; ${options.cleanUp ?? "true"}` });
}
