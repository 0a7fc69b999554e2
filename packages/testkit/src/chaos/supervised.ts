import { fork, spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, closeSync, openSync } from "node:fs";
import { join } from "node:path";

/** How a process is started. */
export interface ProcessSpec {
  /** Unique in the run; its output goes to `<name>.log`. */
  readonly name: string;
  /** Folder of the logs. */
  readonly folder: string;
  /** File of the program. */
  readonly file: string;
  /** Arguments of its `n`th incarnation, from 1. */
  readonly args: (incarnation: number) => readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** With a channel to talk to it. */
  readonly talks: boolean;
}

/** A process that ended though nothing had ended it. */
export interface UnexpectedExit {
  readonly name: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Nobody outlives us. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A process under a supervisor: what dies by itself is written down, and started again. */
export class Supervised {
  readonly name: string;
  readonly #spec: ProcessSpec;
  readonly #unexpected: (exit: UnexpectedExit) => void;
  readonly #heard: (message: unknown) => void;
  #child: ChildProcess | undefined;
  #incarnation = 0;
  /** Whether its end is no surprise, and it is not started again: it was asked to end, or may end by itself in whatever way. */
  #mayEnd: "no" | "asked" | "any way" = "no";

  constructor(spec: ProcessSpec, unexpected: (exit: UnexpectedExit) => void, heard: (message: unknown) => void = () => undefined) {
    this.name = spec.name;
    this.#spec = spec;
    this.#unexpected = unexpected;
    this.#heard = heard;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** Its process id, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** It runs, maybe paused. */
  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Starts it; `env`: more of its environment, this time. `mayEnd`: it may end by itself, and then stays ended. Nothing happens when it runs. */
  start({ env = {}, mayEnd = false }: { readonly env?: NodeJS.ProcessEnv; readonly mayEnd?: boolean } = {}): void {
    if (this.#child !== undefined) return;
    const { name, folder, file, args, talks } = this.#spec;
    this.#incarnation += 1;
    this.#mayEnd = mayEnd ? "any way" : "no";
    const log = openSync(join(folder, `${name}.log`), "a");
    const environment = { ...this.#spec.env, ...env };
    const given = args(this.#incarnation);
    const child = talks
      ? fork(file, given, { env: environment, stdio: ["ignore", log, log, "ipc"], execArgv: [] })
      : spawn(process.execPath, [file, ...given], { env: environment, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    running.add(child);
    child.on("message", this.#heard);
    child.on("error", () => undefined);
    child.once("exit", (code, signal) => this.#exited(child, code, signal));
  }

  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** SIGTERM; resolves when it is gone. An exit code other than 0 of one that was loaded, or more than `withinMs`, is no end that was asked for. */
  async terminate(withinMs: number): Promise<void> {
    const late = setTimeout(() => {
      this.#unexpected({ name: `${this.name} (not gone ${withinMs} ms after SIGTERM)`, code: null, signal: null });
      this.#child?.kill("SIGKILL");
    }, withinMs);
    await this.#end("SIGTERM");
    clearTimeout(late);
  }

  /** SIGSTOP. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  /** SIGCONT. */
  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Tells it something; resolves when it has ended, which must be with code 0. */
  async dismiss(message: string): Promise<void> {
    if (this.#mayEnd === "no") this.#mayEnd = "asked";
    const gone = this.gone();
    this.send(message);
    await gone;
  }

  /** Tells it something. */
  send(message: string): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined);
  }

  /** Resolves when it does not run. */
  gone(): Promise<void> {
    const child = this.#child;
    return child === undefined ? Promise.resolve() : new Promise((resolve) => child.once("exit", () => resolve()));
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#mayEnd === "no") this.#mayEnd = "asked";
    const gone = this.gone();
    this.#child?.kill(signal);
    // One that was stopped would not hear a SIGTERM.
    this.#child?.kill("SIGCONT");
    await gone;
  }

  #exited(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    running.delete(child);
    this.#child = undefined;
    appendFileSync(join(this.#spec.folder, `${this.name}.log`), `\n--- ended: code ${code}, signal ${signal}\n`);
    // By SIGTERM itself: it was still being loaded. One that runs hears it.
    const meant = code === 0 || signal === "SIGKILL" || signal === "SIGTERM";
    if (this.#mayEnd === "any way" || (this.#mayEnd === "asked" && meant)) return;
    this.#unexpected({ name: this.name, code, signal });
    if (this.#mayEnd === "no") this.start();
  }
}
