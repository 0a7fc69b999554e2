import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { AdminService, EventBatchSchema } from "@warren/protocol/v1";
import { checkHistory, type FinalLog, type HistoryGap, type HistoryRecord } from "@warren/testkit";
import { sql } from "kysely";
import { expect, vi } from "vitest";
import { consume, publishForeign, publishWithSdk, type RecordingConsumer, type RecordingPublisher } from "./recording.ts";

/** Where a flow runs. */
export interface FlowPlace {
  readonly brokerUrl: string;
  /** As publishers reach it. */
  readonly amqpUrl: string;
  /** As the judge reaches it: not through a proxy. */
  readonly databaseUrl: string;
  readonly namespace: string;
  readonly exchange: string;
}

interface LogSpec {
  readonly log: string;
  readonly patterns: readonly string[];
}

type FlowParts = Pick<Flow, "sdk" | "foreign" | "steady" | "flapper">;

/** How long recovery may take. The longest back-off is 10 s, a paused RabbitMQ is noticed after up to 15 s, and other tests run beside. */
const recoveryMs = 60_000;

/**
 * Events that flow while something is broken: an SDK publisher with packs and a foreign one with plain messages; `steady`, a program that stays, on the types of
 * both, and `flapper`, which leaves and comes again, on some of them. Everything is kept, and judged at the end.
 */
export class Flow {
  readonly records: readonly HistoryRecord[];
  readonly sdk: RecordingPublisher;
  readonly foreign: RecordingPublisher;
  readonly steady: RecordingConsumer;
  readonly flapper: RecordingConsumer;
  readonly #place: FlowPlace;
  readonly #logs: readonly LogSpec[];

  private constructor(place: FlowPlace, logs: readonly LogSpec[], records: readonly HistoryRecord[], parts: FlowParts) {
    this.#place = place;
    this.#logs = logs;
    this.records = records;
    ({ sdk: this.sdk, foreign: this.foreign, steady: this.steady, flapper: this.flapper } = parts);
  }

  /** `name`: a word, unique in the deployment. Resolves when events flow. */
  static async start(place: FlowPlace, name: string): Promise<Flow> {
    const records: HistoryRecord[] = [];
    const keep = (each: HistoryRecord): void => void records.push(each);
    const { brokerUrl, amqpUrl, exchange } = place;
    const all = { log: `${name}-all`, patterns: [`${name}.#`] };
    const some = { log: `${name}-some`, patterns: [`${name}.a.*`, `${name}.b`] };
    const steady = consume({ consumer: `${name}-steady`, ...all, brokerUrl }, keep);
    const flapper = consume({ consumer: `${name}-flapper`, ...some, brokerUrl, leaveAfter: 60 }, keep);
    await vi.waitFor(() => expect([steady.sessions, flapper.sessions]).toEqual([1, 1]), { timeout: recoveryMs });
    // The queues are there: from now on everything must come.
    for (const log of [all, some]) keep({ kind: "log-opened", ...log });
    const types = [`${name}.a.x`, `${name}.b`, `${name}.c`];
    const sdk = publishWithSdk({ name: "sdk", amqpUrl, exchange, types }, keep);
    const foreign = publishForeign({ name: "plain", amqpUrl, exchange, types }, keep);
    const flow = new Flow(place, [all, some], records, { sdk, foreign, steady, flapper });
    await flow.progress();
    return flow;
  }

  /** Resolves when both publishers published, and both consumers were handed, more than before. */
  async progress(events = 40): Promise<void> {
    const look = (): readonly number[] => [this.sdk.published, this.foreign.published, this.steady.seen.size, this.flapper.seen.size];
    const before = look();
    const goal = before.map((count) => count + events);
    // Said so that a failure tells who stands still.
    await vi.waitFor(() => expect(look().map((count, index) => Math.min(count, goal[index] ?? 0))).toEqual(goal), {
      timeout: recoveryMs,
      interval: 20,
    });
  }

  /** What is wrong with the broker, by part, as its readiness says. */
  async problems(): Promise<{ readonly [part: string]: string }> {
    const response = await fetch(`${this.#place.brokerUrl}/readyz?verbose`);
    return ((await response.json()) as { readonly problems: { readonly [part: string]: string } }).problems;
  }

  /** Resolves when the broker is ready, or when its readiness names these parts, among others. */
  async ready(...notReady: readonly string[]): Promise<void> {
    const check = async (): Promise<void> => {
      const parts = Object.keys(await this.problems());
      if (notReady.length === 0) expect(parts).toEqual([]);
      else expect(parts).toEqual(expect.arrayContaining([...notReady]));
    };
    await vi.waitFor(check, { timeout: recoveryMs, interval: 50 });
  }

  /** Receivers of this flow, as the operator sees them. */
  async receivers() {
    const client = createClient(AdminService, createConnectTransport({ baseUrl: this.#place.brokerUrl, httpVersion: "2" }));
    const { receivers } = await client.listReceivers({});
    return this.#logs.map(({ log, patterns }) => {
      const receiver = receivers.find(({ config }) => config?.patterns.toSorted().join() === patterns.toSorted().join());
      if (receiver === undefined) throw new Error(`no receiver has the patterns of ${log}`);
      return { log, ...receiver };
    });
  }

  /** Ends the flow: publishers first, then, when they have everything, the consumers. Throws unless the whole history is as promised. */
  async end(): Promise<void> {
    await this.progress();
    await Promise.all([this.sdk.stop(), this.foreign.stop()]);
    const receivers = await this.receivers();
    const heads = async (): Promise<void> => {
      const logs = await this.#readLogs(receivers);
      const seen = [this.steady.seen, this.flapper.seen];
      const missing = logs.map(({ events }, index) => events.filter(({ event }) => !(seen[index]?.has(event) ?? false)).length);
      expect(missing).toEqual([0, 0]);
      // What was published last is stored everywhere: nothing is under way any more.
      for (const publisher of ["sdk", "plain"]) {
        const last = this.records.findLast((each) => each.kind === "publish" && each.publisher === publisher && !each.type.endsWith(".c"));
        for (const { events } of logs) expect(events.some(({ event }) => last?.kind === "publish" && event === last.event)).toBe(true);
      }
    };
    await vi.waitFor(heads, { timeout: recoveryMs, interval: 200 });
    await Promise.all([this.steady.stop(), this.flapper.stop()]);
    const logs = await this.#readLogs(receivers);
    const complete = [...new Set(this.records.flatMap((each) => (each.kind === "opened" ? [each.consumer] : [])))];
    const violations = checkHistory({ records: this.records, logs, complete });
    expect(violations.slice(0, 20)).toEqual([]);
    expect(complete).toHaveLength(2);
  }

  /** The logs as PostgreSQL has them, read without any code that writes them. */
  async #readLogs(receivers: Awaited<ReturnType<Flow["receivers"]>>): Promise<readonly FinalLog[]> {
    const schema = schemaName(this.#place.namespace, "broker");
    const database = openDatabase<unknown>({ url: this.#place.databaseUrl, schema, applicationName: "judge", logger: silentLogger });
    const table = (name: string) => sql.table(`${schema}.${name}`);
    try {
      return await Promise.all(
        receivers.map(async ({ log, receiverKey }) => {
          const of = sql`join ${table("receivers")} r using (receiver_id) where r.config_key = ${receiverKey}`;
          const segments = await sql<{ first_offset: bigint; payload: Buffer }>`
            select s.first_offset, s.payload from ${table("log_segments")} s ${of} order by s.last_offset`.execute(database.db);
          const gaps = await sql<{ after_offset: bigint }>`
            select g.after_offset from ${table("log_gaps")} g ${of} and g.kind = 'missed'`.execute(database.db);
          return {
            log,
            events: segments.rows.flatMap(({ first_offset: first, payload }) =>
              fromBinary(EventBatchSchema, payload).events.map(({ id, body }, index) => ({
                offset: first + BigInt(index),
                event: id,
                digest: body.case === "text" ? body.value : `bytes ${body.value?.length ?? 0}`,
              })),
            ),
            gaps: gaps.rows.map(({ after_offset: afterOffset }): HistoryGap => ({ what: "missed", afterOffset })),
          };
        }),
      );
    } finally {
      await database.close();
    }
  }
}
