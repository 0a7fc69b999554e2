import { spawn, spawnSync, type ChildProcessByStdio } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { createSubscriber } from "@warren/client";
import { freePorts, testNamespace } from "@warren/test-servers";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

/** A command takes most of a second to start, and more on a busy machine. */
const patient = { timeout: 20_000 };

interface Run {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }>;
  readonly output: () => { readonly stdout: string; readonly stderr: string };
}

describe("the commands, on `serve all`", () => {
  const running: Run[] = [];
  let env: NodeJS.ProcessEnv = {};

  function start(command: string, args: readonly string[]): Run {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    const ended = new Promise<Awaited<Run["ended"]>>((resolve) => child.once("close", (status) => resolve({ status, stdout, stderr })));
    const run = { child, ended, output: () => ({ stdout, stderr }) };
    running.push(run);
    return run;
  }
  const warren = (...args: readonly string[]): Run => start(process.execPath, [main, ...args]);
  /** Runs a command to its end; rows of its JSON. */
  async function rows(...args: readonly string[]): Promise<readonly unknown[]> {
    const { status, stdout, stderr } = await warren(...args, "-o", "ndjson").ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  }
  const caughtUp = (run: Run) => vi.waitFor(() => expect(run.output().stderr).toContain("caughtUp"), patient);

  beforeAll(async () => {
    const [brokerPort = 0, archiverPort = 0] = await freePorts(2);
    env = {
      PATH: process.env["PATH"],
      WARREN_AMQP_URL: inject("amqpUrl"),
      WARREN_DATABASE_URL: inject("databaseUrl"),
      WARREN_NAMESPACE: testNamespace(),
      WARREN_LISTEN: `127.0.0.1:${brokerPort}`,
      WARREN_ARCHIVE_LISTEN: `127.0.0.1:${archiverPort}`,
      WARREN_LOG_LEVEL: "warn",
      WARREN_BROKER_URL: `http://127.0.0.1:${brokerPort}`,
      WARREN_ARCHIVE_URL: `http://127.0.0.1:${archiverPort}`,
    };
    expect(await warren("check").ended).toMatchObject({ status: 2, stdout: expect.stringContaining("warren serve broker") as unknown });
    warren("serve", "all");
    await vi.waitFor(async () => expect((await warren("check").ended).status).toBe(0), { timeout: 30_000 });
  });
  afterAll(async () => {
    for (const { child } of running) child.kill("SIGTERM");
    await Promise.all(running.map(({ ended }) => ended));
  });

  test("a named consumer gets what it missed, and every command tells of it", async () => {
    const first = warren("sub", "order.#", "--consumer", "billing", "--count", "1", "-o", "ndjson");
    await caughtUp(first);
    expect(await rows("pub", "order.created", '{"n":1}', "--id", "o1")).toEqual([{ id: "o1" }]);
    expect(await first.ended).toMatchObject({ status: 0 });
    expect(JSON.parse(first.output().stdout)).toMatchObject({ offset: "1", id: "o1", type: "order.created", data: { n: 1 } });

    // While it sleeps: once through the broker, once straight to RabbitMQ.
    await rows("pub", "order.paid", '{"n":{n}}', "--count", "2");
    const { WARREN_AMQP_URL: amqp = "", WARREN_NAMESPACE: namespace } = env;
    await rows("pub", "order.sent", "a text", "--amqp", amqp, "--exchange", `${namespace}.events`);
    await vi.waitFor(
      async () =>
        expect(await rows("consumer", "info", "billing")).toMatchObject([
          { name: "billing", state: "asleep", acked: "1", head: "4", lag: "3" },
        ]),
      patient,
    );
    const again = await warren("sub", "order.#", "--consumer", "billing", "--count", "3", "-o", "ndjson").ended;
    const events = again.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(events).toMatchObject([
      { offset: "2", type: "order.paid", data: { n: 1 } },
      { offset: "3", type: "order.paid", data: { n: 2 } },
      { offset: "4", type: "order.sent", data: "a text" },
    ]);
    expect(await rows("consumer", "ls")).toMatchObject([{ name: "billing", patterns: "order.#", lag: "0" }]);
    expect(await rows("receiver", "ls")).toMatchObject([{ patterns: "order.#", head: "4", asleep: 1, active: 0, consuming: true }]);
    expect(await rows("archive", "read", "order.paid", "--count", "1")).toMatchObject([{ event: { type: "order.paid" } }]);
    expect(await rows("archive", "get", "/warren-cli", "o1")).toMatchObject([{ event: { id: "o1" } }]);
    expect(await warren("archive", "get", "/warren-cli", "none").ended).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("NOT_FOUND") as unknown,
    });
    expect(await warren("consumer", "info", "nobody").ended).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("NOT_FOUND") as unknown,
    });
  });

  test("an operator pauses, moves, looks at parked events, retries, discards and removes", async () => {
    const name = "operated";
    const parker = createSubscriber({ brokerUrl: env["WARREN_BROKER_URL"] ?? "" }).subscribe({ consumer: name, patterns: ["op.#"] });
    await vi.waitFor(() => expect(parker.current.kind).toBe("caughtUp"), patient);
    await rows("pub", "op.x", '{"n":{n}}', "--count", "3");
    const running = parker.run(
      ({ offset }) => {
        if (offset < 3n) throw new Error("not this one");
      },
      { retries: 0 },
    );
    await vi.waitFor(() => expect(parker.ackedOffset).toBe(3n), patient);
    expect(await rows("consumer", "parked", "ls", name, "--payload")).toMatchObject([
      { offset: "1", type: "op.x", attempts: 1, retrying: false, reason: "not this one", event: { text: '{"n":1}' } },
      { offset: "2" },
    ]);
    await parker.close();
    await running;
    expect(await rows("consumer", "parked", "retry", name, "1", "--dry-run")).toMatchObject([{ events: "1", done: false }]);
    expect(await rows("consumer", "parked", "retry", name, "1")).toMatchObject([{ events: "1", done: true }]);
    expect(await rows("consumer", "parked", "discard", name, "--all", "--dry-run")).toMatchObject([{ events: "2", done: false }]);
    expect(await rows("consumer", "parked", "discard", name, "2")).toMatchObject([{ events: "1", done: true }]);
    const again = await warren("sub", "op.#", "--consumer", name, "--count", "1", "-o", "ndjson").ended;
    expect(JSON.parse(again.stdout)).toMatchObject({ offset: "1", retried: { reason: "not this one", attempts: 1 } });
    await vi.waitFor(async () => expect(await rows("consumer", "parked", "ls", name)).toEqual([]), patient);

    expect(await rows("consumer", "seek", name, "earliest", "--dry-run")).toMatchObject([{ from: "3", to: "0", done: false }]);
    expect(await rows("consumer", "seek", name, "1")).toMatchObject([{ from: "3", to: "1", done: true }]);
    expect(await rows("consumer", "pause", name, "--reason", "by hand")).toEqual([]);
    expect(await rows("consumer", "info", name)).toMatchObject([{ state: "asleep, paused", acked: "1", lag: "2", paused: "by hand" }]);
    expect(await rows("consumer", "resume", name)).toEqual([]);
    const [{ id } = { id: "" }] = (await rows("archive", "read", "op.x", "--count", "1")).map(
      (each) => (each as { event: { id: string } }).event,
    );
    expect(await rows("consumer", "explain", name, "/warren-cli", id)).toMatchObject([{ standing: "acked", offset: "1" }]);
    expect(await rows("consumer", "rm", name, "--dry-run")).toMatchObject([{ name, done: false }]);
    expect(await rows("consumer", "rm", name)).toMatchObject([{ name, done: true }]);
    expect((await warren("consumer", "info", name).ended).status).toBe(1);
  });

  test("an operator sets retention, sees who holds a log and what waits in queues, lets a consumer expire, and removes a receiver", async () => {
    const name = "kept";
    await caughtUp(warren("sub", "kept.#", "--consumer", "kept-other", "--expire-after", "30d"));
    const sleeper = warren("sub", "kept.#", "--consumer", name, "--count", "1");
    await caughtUp(sleeper);
    for (let n = 1; n <= 3; n += 1) await rows("pub", "kept.x", String(n));
    await sleeper.ended;
    const receiver = async () =>
      ((await rows("receiver", "ls")) as { key: string; patterns: string }[]).find(({ patterns }) => patterns === "kept.#");
    const { key = "" } = (await receiver()) ?? {};
    await vi.waitFor(
      async () => expect(await rows("receiver", "info", key)).toMatchObject([{ head: "3", waiting: "0", retention: "forever" }]),
      {
        timeout: 30_000,
      },
    );
    expect(await rows("receiver", "retention", key, "--max-bytes", "1B", "--no-hold", "--dry-run")).toMatchObject([{ key, done: false }]);
    expect(await rows("receiver", "retention", key, "--max-age", "7d", "--max-bytes", "1GB")).toMatchObject([
      { key, events: "0", done: true },
    ]);
    expect(await receiver()).toMatchObject({ retention: "7d, 1000000000 bytes" });
    expect(await rows("receiver", "retention", key, "--forever")).toMatchObject([{ done: true }]);
    expect(await warren("receiver", "retention", key).ended).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("or --forever") as unknown,
    });

    // Nothing waits: an upper limit of none is critical.
    expect(await warren("check", "receivers").ended).toMatchObject({ status: 0 });
    expect(await warren("check", "receivers", "--queue-warn", "0").ended).toMatchObject({ status: 1 });
    expect(await warren("check", "receivers", "--queue-crit", "0").ended).toMatchObject({ status: 2 });
    expect((await warren("check", "receivers", "--broker", "http://127.0.0.1:9").ended).status).toBe(3);

    expect(await rows("consumer", "info", "kept-other")).toMatchObject([{ expires: "after 30d asleep" }]);
    expect(await rows("consumer", "expire", name, "12h")).toMatchObject([{ name, expires: "after 12h asleep" }]);
    expect(await rows("consumer", "expire", name, "never")).toMatchObject([{ name, expires: "never" }]);
    expect(await warren("receiver", "rm", key).ended).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("RECEIVER_IN_USE") as unknown,
    });
    for (const consumer of [name, "kept-other"]) await rows("consumer", "rm", consumer);
    expect(await rows("receiver", "rm", key, "--dry-run")).toMatchObject([{ key, done: false }]);
    expect(await rows("receiver", "rm", key)).toMatchObject([{ key, done: true }]);
    expect(await receiver()).toBeUndefined();
  });

  test("what no log can take is seen by its receiver, with its bytes and the reason", async () => {
    const first = warren("sub", "bad.#", "--consumer", "bad");
    await caughtUp(first);
    await rows("pub", "bad.x", "one", "--id", "same");
    await rows("pub", "bad.x", "two", "--id", "same");
    const key =
      (await rows("receiver", "ls")).map((each) => each as { key: string; patterns: string }).find(({ patterns }) => patterns === "bad.#")
        ?.key ?? "";
    await vi.waitFor(
      async () =>
        expect(await rows("quarantine", "ls", key, "--payload")).toMatchObject([
          { reason: "id_conflict", type: "bad.x", id: "same", payload: expect.any(String) as unknown },
        ]),
      { timeout: 20_000 },
    );
    expect((await warren("quarantine", "ls", "no such receiver").ended).stderr).toContain("NOT_FOUND");
  });

  test("a new name of a known config starts at its earliest event, an hour ago, or after an offset; the past of a new config is refused", async () => {
    const first = warren("sub", "past.#", "--consumer", "first");
    await caughtUp(first);
    await rows("pub", "past.a", "1", "--count", "3");
    for (const [name, start, count] of [
      ["late", "earliest", 3],
      ["later", "1h", 3],
      ["latest", "2", 1],
    ] as const) {
      const { stdout } = await warren("sub", "past.#", "--consumer", name, "--start", start, "--count", `${count}`, "-o", "ndjson").ended;
      expect(stdout.trim().split("\n")).toHaveLength(count);
    }
    expect(await warren("sub", "other.#", "--consumer", "other", "--start", "earliest").ended).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("PAST_NOT_AVAILABLE") as unknown,
    });
  });

  test.skipIf(spawnSync("curl", ["--version"]).status !== 0)("curl publishes JSON and follows", async () => {
    const url = env["WARREN_BROKER_URL"] ?? "";
    const following = start("curl", ["-sN", `${url}/v1/follow?pattern=curl.%23`]);
    await vi.waitFor(() => expect(following.output().stdout).toContain("caughtUp"), patient);
    const body = JSON.stringify({ events: [{ id: "c1", source: "/curl", type: "curl.a", text: "hello" }] });
    const sent = start("curl", ["-s", `${url}/warren.v1.PublishService/Publish`, "-H", "content-type: application/json", "-d", body]);
    expect(JSON.parse((await sent.ended).stdout)).toEqual({ outcomes: [{ id: "c1", status: "OUTCOME_STATUS_OK" }] });
    await vi.waitFor(() => expect(following.output().stdout).toMatch(/id: 1\ndata: {"id":"c1"/), patient);
    following.child.kill("SIGKILL");
    await following.ended;
  });
});
