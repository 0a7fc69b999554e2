import { readFile } from "node:fs/promises";

/** A private server: its address, and how to stop it. */
export interface PrivateServer {
  readonly url: string;
  /** Ends it and removes its data; a killed or paused one too. Twice is fine. */
  stop(): Promise<void>;
}

/** What can be done to a private server that runs on this machine. */
export interface ServerFaults {
  /** SIGKILL; resolves when no process of it is left. Its data stays. */
  kill(): Promise<void>;
  /** After `kill`: starts it on the same data and the same port; resolves when it answers. */
  restart(): Promise<void>;
  /** SIGSTOP to all its processes: it takes connections, and answers nothing. */
  pause(): Promise<void>;
  /** SIGCONT, after `pause`. */
  resume(): Promise<void>;
}

/** The process id in the first line of a file. Throws when there is none. */
export async function pidIn(file: string): Promise<number> {
  const pid = Number((await readFile(file, "utf8")).split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 1) throw new Error(`${file} holds no process id`);
  return pid;
}

/** Processes that a process has forked. Needs Linux. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

/** Sends a signal; false when the process is gone. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Asks every 50 ms until `done` says so; throws `what` after `timeoutMs`. */
export async function until(what: string, timeoutMs: number, done: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
