import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber } from "@warren/client";
import { Times } from "@warren/protocol";
import { AdminService, ConsumerState } from "@warren/protocol/v1";
import { startRealSystem, type RealSystem } from "@warren/testkit";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

interface Printed {
  readonly offset: bigint;
  readonly id: string;
}

/** `warren sub` as a process, and what it says. */
class Program {
  readonly child: ChildProcess;
  readonly events: Printed[] = [];
  readonly statuses: { readonly kind: string; readonly afterOffset?: string }[] = [];
  readonly ended: Promise<number | null>;

  constructor(brokerUrl: string, consumer: string, ...more: readonly string[]) {
    const args = ["sub", `${consumer}.#`, "--consumer", consumer, "--start", "earliest", "--broker", brokerUrl, "-o", "ndjson", ...more];
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    createInterface(child.stdout).on("line", (line) => {
      const { offset, id } = JSON.parse(line) as { readonly offset: string; readonly id: string };
      this.events.push({ offset: BigInt(offset), id });
    });
    createInterface(child.stderr).on("line", (line) => {
      if (line.startsWith("# ")) this.statuses.push(JSON.parse(line.slice(2)) as Program["statuses"][number]);
    });
    this.child = child;
    this.ended = new Promise((resolve) => child.once("close", (code) => resolve(code)));
  }

  said(kind: string): boolean {
    return this.statuses.some((status) => status.kind === kind);
  }

  /** Where its first session began: what lies at or below was saved by then. */
  get afterOffset(): bigint {
    return BigInt(this.statuses.find(({ kind }) => kind === "connected")?.afterOffset ?? "0");
  }
}

/** What is wrong with what programs of one name were given, in the order in which they had it; nothing: the history is exact. */
function faults(programs: readonly Program[], count: number): readonly string[] {
  const found: string[] = [];
  const ids = new Map<bigint, string>();
  for (const [index, { events, afterOffset }] of programs.entries()) {
    const name = `program ${index + 1}`;
    for (const [at, { offset, id }] of events.entries()) {
      const before = events[at - 1]?.offset ?? afterOffset;
      // A program that was superseded may go on, later, from where it is first in line again: ahead, never back.
      if (at === 0 ? offset !== before + 1n : offset <= before) found.push(`${name}: ${offset} came after ${before}`);
      if (ids.has(offset) && ids.get(offset) !== id) found.push(`${name}: ${offset} is ${id}, and was ${ids.get(offset)}`);
      ids.set(offset, id);
    }
  }
  for (let n = 1; n <= count; n += 1) if (ids.get(BigInt(n)) !== `n${n}`) found.push(`offset ${n} is ${ids.get(BigInt(n))}`);
  return found;
}

describe("subscribers as processes", () => {
  let system: RealSystem;
  let admin: Client<typeof AdminService>;
  const programs: Program[] = [];
  beforeAll(async () => {
    process.env["WARREN_AMQP_URL"] ??= inject("amqpUrl");
    process.env["WARREN_DATABASE_URL"] ??= inject("databaseUrl");
    system = await startRealSystem(main, () => undefined);
    admin = createClient(AdminService, createConnectTransport({ baseUrl: system.brokerUrl, httpVersion: "2" }));
  });
  afterAll(async () => {
    for (const { child } of programs) child.kill("SIGKILL");
    await system.stop();
  });

  function start(consumer: string, ...more: readonly string[]): Program {
    const program = new Program(system.brokerUrl, consumer, ...more);
    programs.push(program);
    return program;
  }
  const eventually = (look: () => unknown): Promise<unknown> => vi.waitFor(look, { timeout: 60_000, interval: 20 });
  const state = async (consumer: string) => (await admin.getConsumer({ consumer })).consumer?.state;
  /** Publishes until stopped; the receiver is there before. Returns what stops it, and then how many there are. */
  async function flow(name: string): Promise<() => Promise<number>> {
    const watch = createSubscriber({ brokerUrl: system.brokerUrl }).subscribe({ patterns: [`${name}.#`] });
    await eventually(() => expect(watch.current.kind).toBe("caughtUp"));
    await watch.close();
    const publisher = createPublisher({ amqpUrl: system.amqpUrl, exchange: system.exchange });
    const stopped = new AbortController();
    let count = 0;
    const publishing = (async () => {
      while (!stopped.signal.aborted) {
        await publisher.publishAll(Array.from({ length: 5 }, () => ({ type: `${name}.x`, source: "/s", id: `n${(count += 1)}` })));
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      await publisher.drain();
      return count;
    })();
    return () => {
      stopped.abort();
      return publishing;
    };
  }
  const goneMs = Times.http2PingMs + Times.http2PingTimeoutMs + 2_000;

  test("SIGSTOP: the consumer is put to sleep within ping and time-out, and its program goes on exactly when it is continued", async () => {
    const stop = await flow("stopped");
    const program = start("stopped");
    await eventually(() => expect(program.events.length).toBeGreaterThan(100));
    program.child.kill("SIGSTOP");
    const began = performance.now();
    await eventually(async () => expect(await state("stopped")).toBe(ConsumerState.ASLEEP));
    expect(performance.now() - began).toBeLessThan(goneMs);
    program.child.kill("SIGCONT");
    const count = await stop();
    await eventually(() => expect(program.events.length).toBeGreaterThanOrEqual(count));
    program.child.kill("SIGINT");
    expect(await program.ended).toBe(0);
    // One program: each event once.
    expect(program.events.map(({ offset }) => offset)).toEqual(Array.from({ length: count }, (_, i) => BigInt(i + 1)));
    expect(faults([program], count)).toEqual([]);
  });

  test("STANDBY takes over within seconds of the holder's SIGKILL, and within ping and time-out of its SIGSTOP; the stopped one does not fight back", async () => {
    const stop = await flow("replicas");
    const first = start("replicas");
    await eventually(() => expect(first.events.length).toBeGreaterThan(50));
    const second = start("replicas");
    await eventually(() => expect(second.said("standby")).toBe(true));
    const third = start("replicas");
    await eventually(() => expect(third.said("standby")).toBe(true));

    first.child.kill("SIGKILL");
    let began = performance.now();
    await eventually(() => expect(second.events.length).toBeGreaterThan(0));
    expect(performance.now() - began).toBeLessThan(3_000);
    await eventually(() => expect(second.events.length).toBeGreaterThan(50));

    second.child.kill("SIGSTOP");
    began = performance.now();
    await eventually(() => expect(third.events.length).toBeGreaterThan(0));
    expect(performance.now() - began).toBeLessThan(goneMs);
    const standbys = second.statuses.filter(({ kind }) => kind === "standby").length;
    second.child.kill("SIGCONT");
    await eventually(() => expect(second.statuses.filter(({ kind }) => kind === "standby").length).toBeGreaterThan(standbys));
    const count = await stop();
    await eventually(() => expect(third.events.at(-1)?.offset).toBe(BigInt(count)));
    expect(faults([first, second, third], count)).toEqual([]);
    for (const { child } of [second, third]) child.kill("SIGINT");
  });

  test("W6: two programs that take over and are started again whenever they end fight for a name, and the history is exact", async () => {
    const stop = await flow("fight");
    const fought: Program[] = [];
    const over = new AbortController();
    const restart = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const program = start("fight", "--on-conflict", "take-over");
        fought.push(program);
        await program.ended;
      }
    };
    const restarting = [restart(), restart()];
    await eventually(() => expect(fought.length).toBeGreaterThan(6));
    over.abort();
    const count = await stop();
    const running = () => fought.filter(({ child }) => child.exitCode === null);
    await eventually(() => expect(fought.some(({ events }) => events.at(-1)?.offset === BigInt(count))).toBe(true));
    // Those that were started last fight it out; who has the last event need not be who is left.
    await eventually(() => expect(running()).toHaveLength(1));
    for (const { child } of running()) child.kill("SIGINT");
    await Promise.all(restarting);
    expect(fought.filter((program) => program.said("superseded")).length).toBeGreaterThan(4);
    expect(faults(fought, count)).toEqual([]);
  });
});
