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

/**
 * Runs a server under a shell that holds a pipe to us: when we end in whatever way, also by SIGKILL, the pipe closes, and the shell ends the server, runs
 * `cleanUp` and removes `folder`. Then `stop` is only closing the pipe.
 */
export function startGuarded(
  command: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly folder: string; readonly cleanUp?: string },
): GuardedProcess {
  const script = `"$@" </dev/null & P=$!; (while kill -0 $P 2>/dev/null; do sleep 1; done; kill -TERM $$ 2>/dev/null) & W=$!
    trap 'true' TERM; read _; kill -TERM $P 2>/dev/null; I=0; while kill -0 $P 2>/dev/null && [ $I -lt 100 ]; do sleep 0.1; I=$((I+1)); done
    kill -KILL $P 2>/dev/null; kill $W 2>/dev/null; ${options.cleanUp ?? "true"}; rm -rf "${options.folder}"`;
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
