import { fork, type ChildProcess } from "node:child_process";

/** A process of the bench that does what it is told. */
export interface Child {
  readonly pid: number;
  /** Tells it to do something, and resolves with what it answers. Throws what it threw, when it ends meanwhile, or after `seconds`. */
  ask<Answer>(command: string, options?: unknown, seconds?: number): Promise<Answer>;
  /** Ends it. */
  stop(): Promise<void>;
}

type Question = { readonly id: number; readonly command: string; readonly options: unknown };
type Reply = { readonly id: number; readonly answer?: unknown; readonly error?: string };

/**
 * What the client's README says of processes with much traffic, for all contestants and the minimal programs: once a process has been at rest for some minutes, as all of them are
 * between their turns, V8 goes through its whole heap after every few MiB of new buffers (ADR-0017).
 */
const flags = ["--external-memory-accounted-in-global-limit", "--heap-growing-percent=400"];

/** Starts a file as a process, with the built packages and these flags, as an application would. It calls `answer`. */
export function startChild(file: URL, args: readonly string[] = []): Child {
  const child: ChildProcess = fork(file, args, {
    execArgv: flags,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  let asked = 0;
  child.on("message", (message) => {
    const { id, answer, error } = message as Reply;
    const asker = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asker?.resolve(answer);
    else asker?.reject(new Error(error));
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`a process of the bench ended with ${code ?? signal}`));
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    async ask<Answer>(command: string, options: unknown = {}, seconds = 180): Promise<Answer> {
      asked += 1;
      const id = asked;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      waiting.set(id, { resolve, reject });
      const timer = setTimeout(() => reject(new Error(`${command}: no answer within ${seconds} s`)), seconds * 1000);
      child.send({ id, command, options } satisfies Question);
      try {
        return (await promise) as Answer;
      } finally {
        clearTimeout(timer);
      }
    },
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** In the child: answers what it is asked, by name. It ends with its parent. */
export function answer(handlers: Readonly<Record<string, (options: never) => unknown>>): void {
  const reply = (message: Reply): void => void process.send?.(message);
  process.on("message", (message) => {
    const { id, command, options } = message as Question;
    const handler = handlers[command] as ((options: unknown) => unknown) | undefined;
    void (async () => {
      try {
        if (handler === undefined) throw new Error(`unknown command ${command}`);
        reply({ id, answer: await handler(options) });
      } catch (error) {
        reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      }
    })();
  });
  process.once("disconnect", () => process.exit(0));
}
